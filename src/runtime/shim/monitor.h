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
#include "runtime/shim/restoring.h"

namespace berth::runtime::shim {

/// Ignored where this machine's limits forbid it: lowering below the inherited value needs CAP_SYS_RESOURCE, which a
/// nested engine lacks. Raising always works.
void set_oom_score(pid_t pid, std::int64_t score);

/// One container's keeper: starts it, is its parent, holds its streams, writes its log, tells daemons about it, and
/// records its end. One thread, one loop. While nothing happens it holds a few pages.
class Monitor {
 public:
  /// `control`: the first connection; `request`: memory file with a LaunchRequest; `listener`: for later connections.
  Monitor(sys::UniqueFd control, sys::UniqueFd request, sys::UniqueFd listener);
  ~Monitor();
  /// Returns the monitor's own exit code when the container has ended and its output is delivered.
  int run();

 private:
  // Starting (start.cc).
  void start();
  void check_launcher() const;  ///< throws when it has gone
  void make_container();
  void fork_container();
  [[noreturn]] void be_container(sys::UniqueFd sync, init::StandardStreams streams);
  bool child_attaches() const;
  void prepare_container();
  void set_limits();
  void write_init_record();
  void on_started();
  void on_failed(const init::Failure& failure);
  void undo_start();

  // Starting from a checkpoint (restore.cc).
  void restore_container();
  void on_restored_process(pid_t pid);
  void protect_restored_root();
  void on_restored();
  void undo_restore();

  // Making one (checkpoint.cc).
  void start_dump(const criu::Dump& dump);
  criu::Descriptor describe_streams() const;
  void on_dump_end(int status);

  // Commands (commands.cc).
  void handle(Command& command, std::vector<sys::UniqueFd>& fds);
  void handle_network(std::vector<sys::UniqueFd>& fds);
  void start_exec(Command& command, std::vector<sys::UniqueFd>& fds);
  void enter_container_pids();
  bool container_ends() const;
  void start_probe(Command& command);
  ChildProcess::Handlers exec_handlers(const Exec& exec);
  ProcessIo& io_of(const std::string& exec_id);
  void greet(ControlConnection& connection);

  // Ends (monitor.cc).
  void on_signal();
  void on_child_end(pid_t pid, int status);
  void on_container_end(int status);
  void on_exec_end(const std::string& exec_id, int status);
  void watch_oom();
  void on_oom();
  void check_oom(cgroups::OomWatch::News news);
  bool oom_happened();
  void give_oom_score(pid_t pid, std::int64_t score);
  void report_detached();
  std::int64_t next_deadline() const;  ///< of the probes that run; 0: none
  void end_overdue_probes();
  int patience_ms(bool idle_already) const;
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
  std::unique_ptr<Restoring> restoring_;  ///< while CRIU makes the container
  sys::UniqueFd restore_images_, restore_work_;
  /// While a checkpoint is made by a child of ours.
  struct Dumping {
    pid_t pid = 0;
    std::string dir;
    sys::UniqueFd reports;  ///< says why there is none
  };
  std::optional<Dumping> dumping_;
  std::optional<int> early_end_;  ///< the container's process has ended before it was its time to be told

  std::uint64_t start_ticks_ = 0;
  std::int64_t started_at_ = 0;
  LogCounts told_;  ///< to the daemons
  std::chrono::steady_clock::time_point told_at_, log_deadline_;
  bool network_given_ = false, over_ = false, left_ = false, joined_pid_namespace_ = false;
  bool oom_killed_ = false, oom_expected_ = false;  ///< expected: the kernel has told of a shortage
  bool has_probed_ = false;                         ///< since it was idle last
  std::optional<std::int64_t> own_oom_score_;       ///< what a fork inherits; read when an exec needs it
};

}  // namespace berth::runtime::shim
