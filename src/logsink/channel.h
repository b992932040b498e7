#pragma once

#include <memory>
#include <optional>

#include "logsink/config.h"
#include "logsink/messages.h"
#include "logsink/tls.h"

namespace berth::logsink {

/// The connection that messages go over. Blocks; throws when it has failed, and is then to be opened again.
class Channel {
 public:
  explicit Channel(const Config& config) : config_(config) {}

  bool open() const { return static_cast<bool>(socket_); }
  void connect();
  void close();
  /// Sends messages from `first` on. Returns the first that was not sent, after a failure too.
  struct Sent {
    std::size_t next = 0;
    std::string failure;  ///< "" when all were sent
    bool lossy = false;   ///< the network promises nothing: it is not worth to wait for it
  };
  Sent send(const Messages& messages, std::size_t first);
  std::string read();  ///< what the other side says; "" at its end

 private:
  void check_peer() const;
  Sent send_stream(const Messages& messages, std::size_t first);
  Sent send_datagrams(const Messages& messages, std::size_t first);
  void send_in_file(std::string_view message);

  Config config_;
  sys::UniqueFd socket_;
  int type_ = 0;
  std::unique_ptr<Tls> tls_;
};

}  // namespace berth::logsink
