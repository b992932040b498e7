// stop, kill, restart, pause and unpause
#include <csignal>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/process.h"
#include "container/signals.h"
#include "engine/containers_service.h"
#include "runtime/cgroups/cgroup.h"

namespace berth::engine {

using container::Status;

namespace {

constexpr int kDefaultStopSeconds = 10;
constexpr std::chrono::seconds kKillPatience{10};  // SIGKILL is not handled at once by what is in the kernel

int stop_signal_of(const container::Record& record) {
  return record.config.stop_signal.empty() ? SIGTERM : container::parse_signal(record.config.stop_signal);
}

std::optional<std::chrono::nanoseconds> stop_timeout(const container::Record& record, std::optional<int> asked) {
  const std::int64_t seconds = asked ? *asked : record.config.stop_timeout.value_or(kDefaultStopSeconds);
  if (seconds < 0) return std::nullopt;
  return std::chrono::seconds{std::min<std::int64_t>(seconds, 1'000'000'000)};
}

/// Some ten microseconds, or up to seconds until all of a busy container is frozen.
void set_frozen(const std::string& path, bool frozen) {
  const runtime::cgroups::Cgroup cgroup{runtime::cgroups::find_tree(), path};
  frozen ? cgroup.freeze() : cgroup.thaw();
}

Error not_running(const Container& container) { return conflict(cat("container ", container.id(), " is not running")); }

}  // namespace

Task<Started> ContainersService::stop(std::string id, std::optional<int> timeout, std::string signal) {
  if (!signal.empty()) (void)container::parse_signal(signal);
  return operation("stop container", stop_now(registry_.get(id), timeout, std::move(signal)));
}

Task<Started> ContainersService::stop_now(ContainerPtr container, std::optional<int> timeout, std::string signal) {
  // A start under way ends first. The lock is not kept: another client may stop it with less patience, or kill it.
  if (!container->running()) (void)co_await container->operations.lock();
  if (container->record.state.status == Status::restarting) {
    call_off_restart(*container);
    co_await parts_.store.update(container->record);
    publish(*container, "stop");
    co_return Started::now;
  }
  if (!container->running()) co_return Started::already;
  co_await stop_running(container, timeout, std::move(signal), StopCause::user);
  co_return Started::now;
}

/// Asks, waits, then kills. Returns when the exit is recorded.
Task<void> ContainersService::stop_running(ContainerPtr container, std::optional<int> timeout, std::string signal,
                                           StopCause cause) {
  const std::uint64_t run = container->starts;
  // A shutdown is not the user's doing: `unless-stopped` and `always` start the container with the next daemon.
  if (cause == StopCause::user) container->record.state.manually_stopped = true;
  const int number = signal.empty() ? stop_signal_of(container->record) : container::parse_signal(signal);
  send_signal(*container, number);
  if (!co_await wait_until_ended(container, run, stop_timeout(container->record, timeout))) {
    if (container->running() && container->starts == run) send_signal(*container, SIGKILL);
    if (!co_await wait_until_ended(container, run, kKillPatience)) {
      throw system_error(cat("cannot stop container: ", container->id(),
                             ": tried to kill container, but did not receive an exit event"));
    }
  }
  publish(*container, "stop");
}

Task<bool> ContainersService::wait_until_ended(ContainerPtr container, std::uint64_t run,
                                               std::optional<std::chrono::nanoseconds> timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout.value_or(std::chrono::nanoseconds{0});
  while (container->starts == run && (container->running() || container->settling)) {
    if (!timeout) {
      co_await container->changed.wait();
      continue;
    }
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= left.zero()) co_return false;
    co_await container->changed.wait_for(left);
  }
  co_return true;
}

void ContainersService::send_signal(Container& container, int signal) {
  if (container.init) (void)sys::signal_pidfd(container.init, signal);
  publish(container, "kill", {{"signal", cat(signal)}});
  // A frozen container takes no signal before it thaws, SIGKILL on cgroup v1 included.
  if (container.record.state.status == Status::paused) {
    set_frozen(cgroup_path(container), false);
    container.record.state.status = Status::running;
    container.changed.notify_all();
  }
}

Task<void> ContainersService::kill(std::string id, std::string signal) {
  try {
    if (!signal.empty()) (void)container::parse_signal(signal);
    co_await operation("kill container", kill_now(registry_.get(id), std::move(signal)));
  } catch (Error& error) {
    error.during(cat("cannot kill container: ", id));
    throw;
  }
}

Task<void> ContainersService::kill_now(ContainerPtr container, std::string signal) {
  if (!container->running()) (void)co_await container->operations.lock();
  if (container->record.state.status == Status::restarting) {
    call_off_restart(*container);
    co_await parts_.store.update(container->record);
    co_return;
  }
  if (!container->running()) throw not_running(*container);
  const int number = signal.empty() ? SIGKILL : container::parse_signal(signal);
  if (!container::is_signal(number)) throw invalid(cat("Invalid signal: ", signal));
  // As dockerd: a signal that the container takes for something else than its end leaves the restart policy alone.
  const std::string& stop_signal = container->record.config.stop_signal;
  if (number == SIGKILL || stop_signal.empty() || number == stop_signal_of(container->record)) {
    container->record.state.manually_stopped = true;
  }
  const std::uint64_t run = container->starts;
  send_signal(*container, number);
  if (number != SIGKILL) co_return;
  if (!co_await wait_until_ended(container, run, kKillPatience)) {
    throw system_error("tried to kill container, but did not receive an exit event");
  }
}

Task<void> ContainersService::restart(std::string id, std::optional<int> timeout, std::string signal) {
  if (!signal.empty()) (void)container::parse_signal(signal);
  return operation("restart container", restart_now(registry_.get(id), timeout, std::move(signal)));
}

Task<void> ContainersService::restart_now(ContainerPtr container, std::optional<int> timeout, std::string signal) {
  const async::Mutex::Guard guard = co_await container->operations.lock();
  call_off_restart(*container);
  container->being_restarted = true;  // --rm and restart policies look away
  std::exception_ptr failure;
  try {
    if (container->running()) co_await stop_running(container, timeout, std::move(signal), StopCause::user);
    co_await start_locked(container, Cause::user);
  } catch (...) {
    failure = std::current_exception();
  }
  container->being_restarted = false;
  if (failure) std::rethrow_exception(failure);
  publish(*container, "restart");
}

Task<void> ContainersService::pause(std::string id) {
  return operation("pause container", pause_now(registry_.get(id), true));
}

Task<void> ContainersService::unpause(std::string id) {
  return operation("unpause container", pause_now(registry_.get(id), false));
}

Task<void> ContainersService::pause_now(ContainerPtr container, bool freeze) {
  const async::Mutex::Guard guard = co_await container->operations.lock();
  container::State& state = container->record.state;
  if (!container->running()) {
    if (state.status == Status::restarting) {
      throw conflict(cat("Container ", container->id(), " is restarting, wait until the container is running"));
    }
    throw freeze ? not_running(*container) : system_error(cat("Container ", container->id(), " is not paused"));
  }
  if (freeze == (state.status == Status::paused)) {
    if (!freeze) throw system_error(cat("Container ", container->id(), " is not paused"));  // 500 in Docker's API
    throw conflict(cat("Container ", container->id(), " is already paused"));
  }
  const std::uint64_t run = container->starts;
  const std::string cgroup = cgroup_path(*container);
  co_await parts_.pool.run([&] { set_frozen(cgroup, freeze); });
  if (!container->running() || container->starts != run) throw not_running(*container);
  state.status = freeze ? Status::paused : Status::running;
  container->changed.notify_all();
  publish(*container, freeze ? "pause" : "unpause");  // kept by its cgroup, where the next daemon looks
}

}  // namespace berth::engine
