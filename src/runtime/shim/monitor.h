#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "runtime/cgroups/cgroup.h"
#include "runtime/shim/child.h"
#include "runtime/shim/control.h"
#include "runtime/shim/log.h"

namespace berth::runtime::shim {

/// One container's keeper: starts it, is its parent, holds its streams, writes its log, tells daemons about it, and
/// records its end. One thread, one loop. While nothing happens it holds a few pages.
class Monitor {
 public:
  /// `control`: the first connection; `request`: memory file with a LaunchRequest.
  Monitor(sys::UniqueFd control, sys::UniqueFd request);
  ~Monitor();
  /// Returns the monitor's own exit code when the container has ended and its output is delivered.
  int run();

 private:
  // Starting (start.cc).
  void start();
  void fork_container();
  [[noreturn]] void be_container(sys::UniqueFd sync, init::StandardStreams streams);
  bool child_attaches() const;
  void prepare_container();
  void on_started();
  void on_failed(const init::Failure& failure);
  void undo_start();

  // Commands (commands.cc).
  void handle(Command& command, std::vector<sys::UniqueFd>& fds);
  void handle_network(std::vector<sys::UniqueFd>& fds);
  void start_exec(Command& command, std::vector<sys::UniqueFd>& fds);
  ProcessIo& io_of(const std::string& exec_id);
  void greet(ControlConnection& connection);

  // Ends (monitor.cc).
  void on_signal();
  void on_child_end(pid_t pid, int status);
  void on_container_end(int status);
  void on_exec_end(const std::string& exec_id, int status);
  void on_oom();
  bool oom_happened();
  void report_detached();
  void close_log();
  void leave();
  // The log and its helpers (helpers.cc).
  void open_log();
  void born_outside(const std::function<void()>& birth);
  void report_log(bool at_once = false);
  bool log_closed();
  int log_timeout();
  void idle();
  void survive(const std::exception& error);
  bool finished() const;

  struct SignalWatcher : Watcher {
    explicit SignalWatcher(Monitor& owner) : monitor(owner) {}
    void ready(std::uint32_t events) override {
      monitor.on_signal();
      (void)events;
    }
    Monitor& monitor;
  };
  struct OomWatcher : Watcher {
    explicit OomWatcher(Monitor& owner) : monitor(owner) {}
    void ready(std::uint32_t events) override {
      monitor.on_oom();
      (void)events;
    }
    Monitor& monitor;
  };

  Loop loop_;
  StreamMemory memory_;
  SignalWatcher signal_watcher_{*this};
  OomWatcher oom_watcher_{*this};
  sys::UniqueFd signals_;
  ControlServer control_;

  std::unique_ptr<LaunchRequest> request_;  ///< until the program runs
  std::string run_dir_;
  namespaces::Plan plan_;
  std::optional<cgroups::Cgroup> cgroup_;
  std::optional<cgroups::OomWatch> oom_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<ChildProcess> container_;
  std::map<std::string, std::unique_ptr<ChildProcess>> execs_;
  sys::UniqueFd pid_namespace_;

  std::uint64_t start_ticks_ = 0;
  std::int64_t started_at_ = 0;
  LogCounts told_;  ///< to the daemons
  std::chrono::steady_clock::time_point told_at_, log_deadline_;
  bool network_given_ = false, over_ = false, left_ = false, oom_killed_ = false, joined_pid_namespace_ = false;
};

}  // namespace berth::runtime::shim
