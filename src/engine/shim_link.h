#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async/async.h"
#include "base/sys/process.h"
#include "runtime/shim/protocol.h"

namespace berth::engine {

struct ShimMessage {
  runtime::shim::Event event;
  std::vector<sys::UniqueFd> fds;
};

/// One control connection to a container's shim. Used on the event loop; whoever waits in it holds it by shared_ptr.
/// Exactly one coroutine reads (receive), any number send commands.
class ShimLink : public std::enable_shared_from_this<ShimLink> {
 public:
  ShimLink(EventLoop& loop, sys::UniqueFd socket, sys::Child shim = {});

  ~ShimLink();
  ShimLink(const ShimLink&) = delete;
  ShimLink& operator=(const ShimLink&) = delete;

  /// Spawns the shim (`program` from runtime::shim::seal_program) for this request: the socket of the link and the
  /// process. Blocks for less than a millisecond.
  static std::pair<sys::UniqueFd, sys::Child> launch(sys::FdRef program, const runtime::shim::LaunchRequest& request);
  /// Connects to a shim of an earlier daemon; nullopt when there is none. Blocks.
  static std::optional<sys::UniqueFd> connect(const std::string& socket_path);

  /// Next event other than the answers to commands, which go to their callers; nullopt when the shim is gone.
  Task<std::optional<ShimMessage>> receive();

  /// Sends and returns; false when the shim is gone.
  Task<bool> send(runtime::shim::Command command, std::vector<int> fds);
  /// Sends and waits until the shim has carried the command out. Throws system with the shim's message. The
  /// descriptors stay the caller's and may be closed once the call has returned.
  Task<void> call(runtime::shim::Command command, std::vector<int> fds);

  /// Ends the connection: receive() comes back with nothing.
  void hang_up();
  /// No answer will come any more: callers get an error.
  void close();
  /// Waits for the end of the shim process, if this daemon started it, and reaps it. False when it was still there
  /// after `timeout` and had to be killed.
  Task<bool> reap(std::chrono::milliseconds timeout);
  /// The same without a limit.
  Task<void> reap();

 private:
  struct Pending {
    explicit Pending(EventLoop& loop) : answered(loop) {}
    async::Signal answered;
    bool finished = false;
    std::optional<Error> error;
  };
  bool answer(const runtime::shim::Event& event);

  EventLoop& loop_;
  sys::UniqueFd socket_;
  sys::Child shim_;
  std::uint32_t last_serial_ = 0;
  std::map<std::uint32_t, std::shared_ptr<Pending>> pending_;
  bool closed_ = false;
};

}  // namespace berth::engine
