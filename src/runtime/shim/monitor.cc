#include "runtime/shim/monitor.h"

#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/binary.h"
#include "base/core/text.h"
#include "base/core/time.h"
#include "base/sys/file.h"

namespace berth::runtime::shim {
namespace {

constexpr int kIdleMs = 100;  ///< memory is given back when nothing came for so long
constexpr int kIdleMsOfProbes =
    3000;  ///< the same after a health probe: the next one may come soon, and needs it again

/// SIGCHLD as a descriptor. The other signals are for the container, not for its keeper: a stop of the daemon's
/// service or a terminal's hang-up must not end it.
sys::UniqueFd open_signals() {
  for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGPIPE}) ::signal(signal, SIG_IGN);
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  sys::UniqueFd fd{::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)};
  if (!fd) throw errno_error("signalfd", "");
  return fd;
}

extern "C" char __executable_start, etext;  // NOLINT: the linker's names for the begin and the end of the code

/// Takes the program's own pages out of the page tables. They stay in the page cache, and the few that a waiting
/// monitor needs come back by themselves: one of a thousand monitors then costs nearly nothing but its stack and heap.
void forget_code() {
  const auto begin = reinterpret_cast<std::uintptr_t>(&__executable_start) & ~std::uintptr_t{4095};
  const auto end = reinterpret_cast<std::uintptr_t>(&etext) & ~std::uintptr_t{4095};
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

int exit_code_of(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

}  // namespace

Monitor::Monitor(sys::UniqueFd control, sys::UniqueFd request, sys::UniqueFd listener)
    : signals_(open_signals()),
      control_(loop_, {.command = [this](Command& command, std::vector<sys::UniqueFd>& fds) { handle(command, fds); },
                       .greet = [this](ControlConnection& connection) { greet(connection); }}) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  loop_.add(signals_, EPOLLIN, signal_watcher_);
  control_.adopt(std::move(control));
  request_ = std::make_unique<LaunchRequest>(binary::decode<LaunchRequest>(sys::read_all(request)));
  control_.listen(std::move(listener), request_->socket_path);
}

Monitor::~Monitor() = default;

int Monitor::run() {
  try {
    start();
  } catch (const Error& error) {
    on_failed({Stage::setup, error.error_number(), error.text()});
    return 1;
  }
  bool idle_already = false;
  while (!finished()) {
    try {
      int timeout = patience_ms(idle_already);
      const int log_due = log_timeout();
      if (log_due >= 0) timeout = timeout < 0 ? log_due : std::min(timeout, log_due);
      if (loop_.run_once(timeout)) {
        idle_already = false;
        report_detached();
        report_log();
      } else if (!idle_already || log_due >= 0) {
        idle();
        idle_already = true;
      }
      end_overdue_probes();
      if (over_ && !left_ && log_closed()) leave();
    } catch (const std::exception& error) {
      survive(error);
    }
  }
  return 0;
}

std::int64_t Monitor::next_deadline() const {
  std::int64_t first = 0;
  for (const auto& [id, process] : execs_) {
    if (process->deadline != 0 && (first == 0 || process->deadline < first)) first = process->deadline;
  }
  return first;
}

/// How long to wait for an event. Without a probe under way an idle monitor never wakes by itself.
int Monitor::patience_ms(bool idle_already) const {
  const std::int64_t deadline = execs_.empty() ? 0 : next_deadline();
  const int idle_ms = has_probed_ ? kIdleMsOfProbes : kIdleMs;
  if (deadline == 0) return idle_already ? -1 : idle_ms;
  const std::int64_t left = std::max<std::int64_t>((deadline - monotonic_ns()) / 1'000'000 + 1, 0);
  return static_cast<int>(std::min<std::int64_t>(left, idle_already ? INT_MAX : idle_ms));
}

/// It leads its own process group (setsid), so that what its shell has started ends with it.
void Monitor::end_overdue_probes() {
  const std::int64_t deadline = execs_.empty() ? 0 : next_deadline();
  if (deadline == 0 || monotonic_ns() < deadline) return;
  const std::int64_t moment = monotonic_ns();
  for (const auto& [id, process] : execs_) {
    if (process->deadline == 0 || process->deadline > moment) continue;
    process->deadline = 0;
    process->timed_out = true;
    ::kill(-process->pid(), SIGKILL);  // not reaped yet, so the number is still its own
    sys::signal_pidfd(process->pidfd(), SIGKILL);
  }
}

/// A monitor that ends takes its container along: whatever goes wrong for one client or command must not end it.
void Monitor::survive(const std::exception& error) {
  const std::string line = cat("berth-shim: ", error.what(), '\n');
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
  const timespec pause{0, 10'000'000};  // it may come back at once
  ::nanosleep(&pause, nullptr);
}

bool Monitor::finished() const {
  if (!over_) return false;
  if (container_ && !container_->failed() && !left_) return false;
  return !container_ || container_->failed() || !container_->io().has_clients();
}

void Monitor::idle() {
  if (std::exchange(oom_expected_, false) && oom_ && !over_) check_oom(oom_->check(*cgroup_));
  has_probed_ = false;
  if (std::exchange(memory_.touched, false)) {
    memory_.buffer.release();
    if (log_) log_->release_memory();
  }
  report_log(true);
  ::malloc_trim(0);
  forget_code();
}

void Monitor::on_signal() {
  signalfd_siginfo info{};
  [[maybe_unused]] const ssize_t size = ::read(signals_.get(), &info, sizeof info);
  for (;;) {  // one signal may stand for several ends
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return;
    on_child_end(pid, status);
  }
}

void Monitor::on_child_end(pid_t pid, int status) {
  if (dumping_ && dumping_->pid == pid) return on_dump_end(status);
  if (container_ && container_->pid() == pid) return on_container_end(status);
  if (restoring_ && restoring_->process().pid() == pid) {
    restoring_->ended();
    restoring_.reset();
    return;
  }
  if (log_ && log_->child_ended(pid, status)) return;
  for (const auto& [id, process] : execs_) {
    if (process->pid() == pid) return on_exec_end(std::string{id}, status);
  }
  // Otherwise an orphan of a container without a pid namespace of its own, which came to its subreaper.
}

void Monitor::on_container_end(int status) {
  container_->settle();
  if (over_) return;  // it failed before its program ran, and that is told already
  if (dumping_ || (restoring_ && !container_->started())) {
    early_end_ = status;  // first what became of that
    return;
  }
  over_ = true;
  if (oom_happened() && !oom_killed_) check_oom(cgroups::OomWatch::News::killed);  // told before the exit
  if (!plan_.makes(CLONE_NEWPID)) cgroup_->signal_all(SIGKILL);                    // otherwise the kernel has done that
  container_->io().drain();
  close_log();

  ExitRecord record{.exit_code = exit_code_of(status),
                    .oom_killed = oom_happened(),
                    .started_at = started_at_,
                    .finished_at = now().time_since_epoch().count()};
  try {
    // Not synced: after a power cut the container is over anyway.
    sys::write_file(cat(run_dir_, "/exit.new"), binary::encode(record), 0600);
    sys::rename(cat(run_dir_, "/exit.new"), cat(run_dir_, "/exit"));
  } catch (const Error&) {
    // A full disk, or the folder is gone with its container. A daemon that is there gets the event.
  }
  control_.broadcast({.kind = EventKind::exited,
                      .pid = container_->pid(),
                      .started_at = record.started_at,
                      .finished_at = record.finished_at,
                      .exit_code = record.exit_code,
                      .oom_killed = record.oom_killed});
  container_->io().release_clients();
  if (oom_) loop_.remove(oom_->fd());
  oom_.reset();
  execs_.clear();
  if (!cgroup_->path().empty()) cgroup_->remove();
  if (log_closed()) leave();
}

void Monitor::leave() {
  if (std::exchange(left_, true)) return;
  report_log(true);
  for (const char* name : {"/init", "/shim.pid"}) sys::remove_file(cat(run_dir_, name));
  // The end of its connections tells the daemon that nothing of the container is left, even if a slow client is.
  control_.close_all();
}

bool Monitor::oom_happened() {
  if (oom_killed_ || cgroup_->path().empty()) return oom_killed_;
  return cgroup_->oom_kills() > 0;
}

/// Where there is a limit; otherwise the kill of a machine that is out of memory is seen at the end.
void Monitor::watch_oom() {
  if (oom_ || cgroup_->path().empty()) return;
  oom_ = cgroups::OomWatch::start(*cgroup_);
  if (oom_) loop_.add(oom_->fd(), oom_->events(), oom_watcher_);
}

void Monitor::on_oom() {
  oom_expected_ = true;
  check_oom(oom_->acknowledge(*cgroup_));
}

void Monitor::check_oom(cgroups::OomWatch::News news) {
  if (news == cgroups::OomWatch::News::nothing) return;
  oom_expected_ = false;
  const bool killed = news == cgroups::OomWatch::News::killed;
  oom_killed_ = oom_killed_ || killed;
  control_.broadcast({.kind = EventKind::oom, .oom_killed = killed});
}

void Monitor::on_exec_end(const std::string& exec_id, int status) {
  const auto at = execs_.find(exec_id);
  ChildProcess& process = *at->second;
  process.settle();
  const bool cut_off = process.is_probe && status != 0 && container_ends();  // says nothing about its health
  if (process.started() && !cut_off) {
    process.io().drain();
    control_.broadcast({.kind = EventKind::exec_exited,
                        .pid = process.pid(),
                        .exit_code = exit_code_of(status),
                        .exec_id = exec_id,
                        .output = process.io().take_capture(),
                        .timed_out = process.timed_out});
    process.io().release_clients();
  }
  if (!process.io().has_clients()) execs_.erase(at);
}

void Monitor::report_detached() {
  if (container_ && container_->io().take_detached()) control_.broadcast({.kind = EventKind::detached});
  for (auto at = execs_.begin(); at != execs_.end();) {
    if (at->second->io().take_detached()) {
      control_.broadcast({.kind = EventKind::detached, .exec_id = at->first});
    }
    // Ended, and its last client has got everything now.
    at = at->second->io().over() ? execs_.erase(at) : std::next(at);
  }
}

}  // namespace berth::runtime::shim
