#pragma once

#include <functional>
#include <string>

#include "runtime/criu/rpc.h"
#include "runtime/shim/child.h"

namespace berth::runtime::shim {

/// CRIU while it restores a container, and the talk with it. CRIU makes the container's first process a child of the
/// monitor; when it has said that all runs, it goes away.
class Restoring : public Watcher {
 public:
  struct Handlers {
    std::function<void(pid_t pid)> made;                 ///< the first process exists; it doesn't run yet
    std::function<void(sys::UniqueFd master)> terminal;  ///< of the container's terminal
    std::function<void()> resuming;                      ///< all is made, and about to run
    std::function<void()> done;                          ///< it runs
    std::function<void(const init::Failure&)> failed;
  };

  Restoring(Loop& loop, StreamMemory& memory, std::string log_path, Handlers handlers);
  ~Restoring() override;

  /// CRIU's end of the conversation.
  sys::UniqueFd make_socket();
  void send(const std::string& request);
  void ready(std::uint32_t events) override;
  /// The process has ended: what it still said comes first.
  void ended();

  ChildProcess& process() { return process_; }

 private:
  bool take_message();
  void notified(const criu::Response& response, std::vector<sys::UniqueFd>& fds);
  void answered(const criu::Response& response);
  void fail(int error_number, const std::string& why);
  void close();

  Loop& loop_;
  std::string log_path_;
  Handlers handlers_;
  ChildProcess process_;
  sys::UniqueFd socket_;
};

}  // namespace berth::runtime::shim
