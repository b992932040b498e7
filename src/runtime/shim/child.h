#pragma once

#include <functional>
#include <optional>

#include "runtime/init/sync.h"
#include "runtime/namespaces/namespaces.h"
#include "runtime/shim/process_io.h"

namespace berth::runtime::shim {

/// A process that the monitor has forked: the container's first one or an exec. Follows it from the fork to the
/// execve by its sync pair; the rest of its life is its ProcessIo and, at the end, SIGCHLD.
class ChildProcess : public Watcher {
 public:
  struct Handlers {
    std::function<void()> started;                             ///< the program was executed
    std::function<void(const init::Failure& failure)> failed;  ///< it was not; the process ends by itself
  };

  ChildProcess(Loop& loop, StreamMemory& memory, Log* log, ProcessIo::Options options, Handlers handlers);
  ~ChildProcess() override;

  /// The child's end of the sync pair, made before the fork.
  sys::UniqueFd make_sync();
  void forked(namespaces::Forked child);  ///< in the parent
  /// Instead of make_sync and forked: a process that somebody else has made a child of the monitor, and that runs its
  /// program as soon as `started` is said.
  void adopt(namespaces::Forked child) { child_ = std::move(child); }
  void adopted_runs() { state_ = State::started; }
  void ready(std::uint32_t events) override;
  /// The process has ended: what its sync pair still says comes before its exit.
  void settle();

  ProcessIo& io() { return io_; }
  pid_t pid() const { return child_.pid; }
  const sys::UniqueFd& pidfd() const { return child_.pidfd; }
  const sys::UniqueFd& sync() const { return sync_; }
  bool started() const { return state_ == State::started; }
  bool failed() const { return state_ == State::failed; }

  /// A probe's time: CLOCK_MONOTONIC nanoseconds, 0 for none. The monitor looks after it.
  std::int64_t deadline = 0;
  bool is_probe = false;
  bool timed_out = false;

 private:
  enum class State { starting, started, failed };
  void hear();
  void take(std::optional<init::Note> note);
  void decide();

  Loop& loop_;
  ProcessIo io_;
  Handlers handlers_;
  sys::UniqueFd sync_;
  namespaces::Forked child_;
  State state_ = State::starting;
  bool executing_ = false;
  std::optional<init::Failure> failure_;
};

}  // namespace berth::runtime::shim
