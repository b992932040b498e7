// The monitor's log, and the processes that help with it.
#include <fcntl.h>
#include <sched.h>

#include <algorithm>

#include "base/core/text.h"
#include "base/sys/file.h"
#include "runtime/shim/monitor.h"

namespace berth::runtime::shim {
namespace {

using std::chrono::steady_clock;

/// How long the end of a container waits for its log to be written and sent; what is not sent then is kept.
constexpr std::chrono::seconds kLogPatience{5};
constexpr std::chrono::seconds kReportInterval{1};

}  // namespace

void Monitor::open_log() {
  log_ = shim::open_log(
      loop_, request_->log, [this](const std::function<void()>& birth) { born_outside(birth); },
      [this] {
        if (container_) container_->io().log_changed();
        report_log();
      });
}

/// setns(2) for the pid namespace decides about children to come, so it can be taken back.
void Monitor::born_outside(const std::function<void()>& birth) {
  if (!joined_pid_namespace_) return birth();
  const sys::UniqueFd theirs = sys::open_file("/proc/self/ns/pid_for_children", O_RDONLY);
  const sys::UniqueFd ours = sys::open_file("/proc/self/ns/pid", O_RDONLY);
  namespaces::enter(ours, CLONE_NEWPID, "own pid namespace");
  try {
    birth();
  } catch (...) {
    namespaces::enter(theirs, CLONE_NEWPID, "pid namespace of the container");
    throw;
  }
  namespaces::enter(theirs, CLONE_NEWPID, "pid namespace of the container");
}

/// Once a second at most, and when nothing happens: a log under way changes its counts all the time.
void Monitor::report_log(bool at_once) {
  if (!log_) return;
  const auto now = steady_clock::now();
  if (!at_once && now - told_at_ < kReportInterval) return;
  told_at_ = now;
  const LogCounts counts = log_->counts();
  if (counts == told_) return;
  told_ = counts;
  control_.broadcast({.kind = EventKind::log_state, .log_dropped = counts.dropped, .log_unsent = counts.unsent});
}

void Monitor::close_log() {
  if (!log_) return;
  log_->close();
  log_deadline_ = steady_clock::now() + kLogPatience;
}

bool Monitor::log_closed() {
  if (!log_ || log_->closed()) return true;
  if (steady_clock::now() < log_deadline_) return false;
  log_->give_up();
  return true;
}

/// When the loop has to come back for the log's sake; -1: no matter.
int Monitor::log_timeout() {
  if (!log_) return -1;
  const int due = log_->tick();
  if (!over_ || left_) return due;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(log_deadline_ - steady_clock::now());
  return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

}  // namespace berth::runtime::shim
