#pragma once

#include <string>
#include <string_view>

#include "base/sys/fd.h"
#include "runtime/shim/log.h"
#include "runtime/shim/loop.h"
#include "runtime/shim/protocol.h"

namespace berth::runtime::shim {

class ProcessIo;

/// Finds a detach sequence in what a terminal's user types. Bytes that may be its begin are held back.
class DetachKeys {
 public:
  explicit DetachKeys(std::string keys) : keys_(std::move(keys)) {}
  struct Result {
    std::string pass;  ///< for the program
    bool detached = false;
  };
  Result scan(std::string_view typed);
  bool enabled() const { return !keys_.empty(); }

 private:
  std::string keys_;
  std::size_t matched_ = 0;
};

/// One client's stream socket.
class AttachedClient : public Watcher {
 public:
  AttachedClient(ProcessIo& io, Loop& loop, sys::UniqueFd socket, Attach attach, bool terminal);
  ~AttachedClient() override;

  void ready(std::uint32_t events) override;

  /// Sends now what the socket takes and keeps the rest. A client that is gone is noticed at its next event.
  void send(Stream stream, std::string_view bytes);
  bool wants(Stream stream) const { return stream == Stream::out ? attach_.want_stdout : attach_.want_stderr; }
  bool congested() const;
  void feed_early_data();
  /// Closes when everything is sent; true when that is now.
  bool finish();
  void update_events();

 private:
  bool flush();                          ///< false: the client is gone
  bool read_input();                     ///< likewise
  bool consume(std::string_view bytes);  ///< false: detached
  void gone();

  ProcessIo& io_;
  Loop& loop_;
  sys::UniqueFd socket_;
  Attach attach_;
  DetachKeys keys_;
  std::string pending_;
  std::size_t sent_ = 0;
  bool input_open_ = true, finishing_ = false, dead_ = false;
  std::uint32_t events_ = 0;
};

}  // namespace berth::runtime::shim
