#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/sys/fd.h"
#include "runtime/shim/loop.h"
#include "runtime/shim/protocol.h"

namespace berth::runtime::shim {

class ControlServer;

/// One daemon (usually the only one) that this monitor listens to.
class ControlConnection : public Watcher {
 public:
  ControlConnection(ControlServer& server, sys::UniqueFd socket);
  ~ControlConnection() override;
  void ready(std::uint32_t events) override;
  /// Never blocks: a peer that doesn't read is given up, and finds all it missed in `hello` or the exit record.
  void send(const Event& event, std::optional<int> fd = std::nullopt);
  /// Handles one command if there is one; false when there was none, or the peer is gone.
  bool handle_one();
  /// The peer sees the end now; the object goes when the loop comes by, since one of its commands may be the reason.
  void hang_up();
  bool hung_up() const;  ///< by either side

 private:
  ControlServer& server_;
  sys::UniqueFd socket_;
  bool dead_ = false;
};

/// The control connections and the socket that takes new ones.
class ControlServer : public Watcher {
 public:
  struct Handlers {
    /// Throws for a command that can't be carried out: answered by command_failed, otherwise by `done`.
    std::function<void(Command& command, std::vector<sys::UniqueFd>& fds)> command;
    std::function<void(ControlConnection& connection)> greet;  ///< a new connection by the socket
  };

  ControlServer(Loop& loop, Handlers handlers) : loop_(loop), handlers_(std::move(handlers)) {}
  ~ControlServer() override;

  /// `listener`: bound to `path` and listening.
  void listen(sys::UniqueFd listener, const std::string& path);
  void adopt(sys::UniqueFd socket);
  void handle_queued();  ///< commands that are there now
  void broadcast(const Event& event, std::optional<int> fd = std::nullopt);
  bool abandoned() const;  ///< whoever was connected is gone
  void close_all();        ///< also gives up the socket and its name

  void ready(std::uint32_t events) override;  ///< accepts

 private:
  friend class ControlConnection;
  void run(ControlConnection& connection, const std::string& bytes, std::vector<sys::UniqueFd> fds);
  void remove(ControlConnection& connection);

  Loop& loop_;
  Handlers handlers_;
  std::string path_;
  sys::UniqueFd listener_;
  std::vector<std::unique_ptr<ControlConnection>> connections_;
};

}  // namespace berth::runtime::shim
