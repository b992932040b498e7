// Health checks: the probes of a running container, and what follows from their results.
#include <algorithm>
#include <csignal>
#include <functional>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/core/time.h"
#include "container/health.h"
#include "engine/container_setup.h"
#include "engine/containers_service.h"

namespace berth::engine {

using container::HealthPlan;
using container::HealthStatus;
using container::ProbeResult;
using container::Status;
using std::chrono::nanoseconds;
using namespace std::chrono_literals;

namespace {

constexpr nanoseconds kLongestWait = std::chrono::hours{24 * 365};  ///< so that sums of times don't overflow

std::int64_t now_ns() { return now().time_since_epoch().count(); }

/// When a daemon takes a running container over: the probe goes on in its rhythm, and what is overdue is not overdue
/// for all containers in the same millisecond.
nanoseconds first_wait_of_adopted(const HealthPlan& plan, const container::Record& record) {
  const container::Health& health = *record.state.health;
  const nanoseconds uptime{now_ns() - record.state.started_at};
  const nanoseconds wait = container::time_to_next_probe(plan, health, uptime);
  if (health.log.empty()) return wait;
  const nanoseconds left = wait - nanoseconds{now_ns() - health.log.back().end};
  if (left > 0ns) return std::min(left, wait);
  const nanoseconds spread = std::min<nanoseconds>(wait, 2s);
  return nanoseconds{static_cast<std::int64_t>(std::hash<std::string>{}(record.id) %
                                               static_cast<std::uint64_t>(std::max<std::int64_t>(spread.count(), 1)))};
}

}  // namespace

/// What a start begins and an adoption goes on with. Without a health check there is nothing: no timer, no coroutine.
void ContainersService::start_health(const ContainerPtr& container, HealthSince since) {
  std::optional<HealthPlan> plan = container::health_plan(container->record.config);
  if (!plan) return;
  std::optional<container::Health>& health = container->record.state.health;
  if (since == HealthSince::start || !health) container::begin_health(health);
  const nanoseconds first = since == HealthSince::start ? container::time_to_next_probe(*plan, *health, 0ns)
                                                        : first_wait_of_adopted(*plan, container->record);
  background_.spawn(cat("health of container ", container->id()), watch_health(container, std::move(*plan), first));
}

/// One run's probes. Each comes an interval after the end of the one before, never two at a time.
Task<void> ContainersService::watch_health(ContainerPtr container, HealthPlan plan, nanoseconds wait) {
  const std::uint64_t run = container->starts;
  const auto over = [&] { return container->starts != run || !container->running(); };
  const runtime::shim::Exec probe = probe_command(*container, plan);
  const std::shared_ptr<const std::string> filter = co_await probe_filter(container);
  std::shared_ptr<ExecProcess> last;
  while (!over()) {
    if (container->record.state.status == Status::paused) {
      co_await container->changed.wait();
      if (!over() && container->record.state.status != Status::paused) wait = next_wait(*container, plan);
      continue;
    }
    const std::uint64_t pauses = container->pauses;
    if (!co_await rest(container, wait, [&] { return over() || container->pauses != pauses; })) continue;
    if (last) forget_exec(*container, *last);
    std::optional<ProbeResult> result = co_await run_probe(container, plan, probe, *filter, last);
    if (over() || container->pauses != pauses) continue;  // it says nothing about what is now
    if (result) co_await take_result(container, plan, std::move(*result));
    wait = next_wait(*container, plan);
  }
  if (last) forget_exec(*container, *last);
}

nanoseconds ContainersService::next_wait(const Container& container, const HealthPlan& plan) {
  const container::State& state = container.record.state;
  return container::time_to_next_probe(plan, *state.health, nanoseconds{now_ns() - state.started_at});
}

/// False when `woken` became true before the time had passed.
Task<bool> ContainersService::rest(ContainerPtr container, nanoseconds time, std::function<bool()> woken) {
  const auto end = std::chrono::steady_clock::now() + std::min(time, kLongestWait);
  while (!woken()) {
    const auto left = end - std::chrono::steady_clock::now();
    if (left <= left.zero()) co_return true;
    co_await container->changed.wait_for(left);
  }
  co_return false;
}

/// What is the same for each probe of a run.
runtime::shim::Exec ContainersService::probe_command(const Container& container, const HealthPlan& plan) const {
  ExecProcess exec{parts_.loop, ""};
  exec.request.cmd = plan.command;
  runtime::shim::Exec command = exec_command(container, exec);
  command.probe = {.timeout_ns = std::min(plan.timeout, kLongestWait).count(), .output_limit = container::kKeptOutput};
  return command;
}

/// The container's seccomp program; all health checks whose containers have the same share one copy.
Task<std::shared_ptr<const std::string>> ContainersService::probe_filter(ContainerPtr container) {
  std::string program = co_await exec_filter(container);
  std::shared_ptr<const std::string> shared = shared_filter_.lock();
  if (!shared || *shared != program) {
    shared = std::make_shared<const std::string>(std::move(program));
    shared_filter_ = shared;
  }
  co_return shared;
}

/// An exec like a client's, with its events; nullopt when the container's end came before its own.
Task<std::optional<ProbeResult>> ContainersService::run_probe(ContainerPtr container, const HealthPlan& plan,
                                                              const runtime::shim::Exec& probe,
                                                              const std::string& filter,
                                                              std::shared_ptr<ExecProcess>& exec) {
  ProbeResult result{.start = now_ns(), .end = 0, .exit_code = -1, .output = {}};
  if (plan.command.empty()) {
    result.output = cat("healthcheck for container ", container->id(), " has no command");
    result.end = now_ns();
    co_return result;
  }
  ExecCreateRequest request;
  request.cmd = plan.command;
  request.attach_stdout = request.attach_stderr = true;
  exec = register_exec(container, std::move(request));
  exec->started = true;
  publish(*container, cat("exec_start: ", join(plan.command, " ")), {{"execID", exec->id}});
  const std::shared_ptr<ShimLink> link = container->link;
  if (!link) co_return std::nullopt;
  runtime::shim::Exec command = probe;
  command.exec_id = exec->id;
  command.seccomp_program = filter;
  exec->running = true;
  if (!co_await link->send({.kind = runtime::shim::CommandKind::exec, .exec = std::move(command)}, {})) {
    co_return std::nullopt;
  }
  while (!exec->exit_code) co_await exec->changed.wait();
  if (!exec->output) {  // it never ran, or nobody saw its end
    if (exec->failure.empty()) co_return std::nullopt;
    result.output = exec->failure;
  } else if (exec->timed_out) {
    result.output = container::timeout_text(plan.timeout, *exec->output);
  } else {
    result.exit_code = static_cast<std::int32_t>(*exec->exit_code);
    result.output = std::move(*exec->output);
  }
  result.end = now_ns();
  co_return result;
}

Task<void> ContainersService::take_result(ContainerPtr container, const HealthPlan& plan, ProbeResult result) {
  container::State& state = container->record.state;
  const bool changed = container::note_result(*state.health, plan, std::move(result), state.started_at);
  const HealthStatus status = state.health->status;
  if (changed) {
    publish(*container, cat("health_status: ", container::to_string(status)));
    container->changed.notify_all();
    // The results between two changes are kept in memory only: a disk is not to be written every few seconds for them.
    try {
      co_await parts_.store.update(container->record);
    } catch (const Error& error) {
      parts_.log.error("container ", container->id(), ": recording its health: ", error.text());
    }
  }
  // After a pause it is called unhealthy without having failed.
  const bool failed = status == HealthStatus::unhealthy && state.health->failing_streak >= plan.retries;
  if (failed) act_on_unhealthy(container);
}

/// HostConfig.HealthcheckOnFailureAction. Asked for at each failed probe, so that a daemon that died before it acted
/// does no harm.
void ContainersService::act_on_unhealthy(const ContainerPtr& container) {
  const std::string& action = container->record.host_config.healthcheck_on_failure_action;
  if (!container->running() || action.empty() || action == "none" || container->being_stopped_for_health) return;
  parts_.log.warn("container ", container->id(), " is unhealthy: ", action);
  if (action == "kill") {
    send_signal(*container, SIGKILL);  // as if it had died by itself: the restart policy decides what follows
    return;
  }
  container->being_stopped_for_health = true;
  background_.spawn(cat("unhealthy container ", container->id()), stop_unhealthy(container, action == "restart"));
}

/// With its stop signal and its time, as `docker stop` does it. A restart comes after the back-off of a restart policy
/// and counts as one, so that a container that never becomes healthy doesn't keep the machine busy.
Task<void> ContainersService::stop_unhealthy(ContainerPtr container, bool restart) {
  const std::uint64_t run = container->starts;
  container->restart_for_health = restart;
  try {
    co_await stop_running(container, std::nullopt, "", restart ? StopCause::restart : StopCause::user);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) throw;
    parts_.log.error("stopping unhealthy container ", container->id(), ": ", error.text());
  }
  if (container->starts == run) container->restart_for_health = false;
  container->being_stopped_for_health = false;
}

/// At the daemon's end: the last results, which are worth a write now.
Task<void> ContainersService::keep_health() {
  std::vector<Running<void>> writes;
  for (const ContainerPtr& container : registry_.all()) {
    if (!container->running() || !container->record.state.health) continue;
    writes.emplace_back(parts_.loop, background_, "keeping health", parts_.store.update(container->record));
  }
  for (Running<void>& write : writes) {
    try {
      co_await write.result();
    } catch (const Error& error) {
      parts_.log.error("keeping the health of a container: ", error.text());
    }
  }
}

}  // namespace berth::engine
