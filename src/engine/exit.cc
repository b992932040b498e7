// The other end of a start: what a shim reports, and what follows from an exit.
#include <utility>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "engine/abandoned_run.h"
#include "engine/checkpoint_folders.h"
#include "engine/containers_service.h"
#include "engine/start_failure.h"

namespace berth::engine {

using container::Status;
using runtime::shim::EventKind;
using runtime::shim::ExitRecord;

namespace {

std::string seconds_between(std::int64_t from, std::int64_t to) {
  return cat(from == 0 || to < from ? 0 : (to - from) / 1'000'000'000);
}

}  // namespace

/// One run, from its start to the end of its shim.
Task<void> ContainersService::watch(ContainerPtr container, std::shared_ptr<ShimLink> link) {
  bool reported = false;
  for (;;) {
    std::optional<ShimMessage> message;
    try {
      message = co_await link->receive();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) throw;
      // A shim that speaks nonsense is as good as none.
      parts_.log.error("container ", container->id(), ": its shim: ", error.text());
    }
    if (!message) break;
    if (message->event.kind != EventKind::exited) {
      on_event(container, *message);
      continue;
    }
    reported = true;
    co_await on_exit(container, {.exit_code = message->event.exit_code,
                                 .oom_killed = message->event.oom_killed,
                                 .started_at = container->record.state.started_at,
                                 .finished_at = message->event.finished_at});
  }
  link->close();
  if (container->checkpoint && !container->checkpoint->finished) {
    on_checkpoint_ended(
        *container, {.message = "the container is not running any more", .checkpoint_dir = container->checkpoint->dir});
  }
  if (!reported) {
    const ExitRecord exit = co_await find_exit(container);
    const std::string checkpoints = checkpoints_dir(*container, "");
    co_await parts_.pool.run([&] { remove_partial_checkpoints(checkpoints, parts_.log); });
    co_await on_exit(container, exit);
  }
  // The end of the connection says that the shim has taken cgroups, mounts and its socket down.
  co_await tear_down_run(container);
  // It may live on until a slow client has taken its last bytes.
  co_await link->reap();
}

void ContainersService::on_event(const ContainerPtr& container, ShimMessage& message) {
  const runtime::shim::Event& event = message.event;
  if (event.kind == EventKind::oom) {
    container->record.state.oom_killed = true;  // shown from now on, though the container may go on
    publish(*container, "oom");
    return;
  }
  if (event.kind == EventKind::detached && event.exec_id.empty()) {
    publish(*container, "detach");
    return;
  }
  if (event.kind == EventKind::checkpoint_ended) return on_checkpoint_ended(*container, event);
  const auto found = container->execs.find(event.exec_id);
  if (found == container->execs.end()) return;
  ExecProcess& exec = *found->second;
  switch (event.kind) {
    case EventKind::exec_started:
      exec.running = true;
      exec.pid = event.pid;
      break;
    case EventKind::exec_failed:
      exec.exit_code =
          event.stage == runtime::shim::Stage::exec_not_found ? 127 : 126;  // Docker has no 128 for an exec
      exec.failure = exec_failure(event).text();
      exec.failure_kind = exec_failure(event).kind();
      break;
    case EventKind::exec_exited:
      exec.running = false;
      exec.exit_code = event.exit_code;
      publish(*container, "exec_die", {{"execID", exec.id}, {"exitCode", cat(event.exit_code)}});
      break;
    case EventKind::detached: publish(*container, "exec_detach", {{"execID", exec.id}}); break;
    default: return;
  }
  exec.changed.notify_all();
}

Task<ExitRecord> ContainersService::find_exit(ContainerPtr container) {
  const std::string dir = run_dir(container->id()), cgroup = cgroup_path(*container);
  co_return co_await parts_.pool.run([&] { return end_run(dir, cgroup); });
}

Task<void> ContainersService::on_exit(ContainerPtr container, ExitRecord exit) {
  container::Record& record = container->record;
  container::State& state = record.state;
  if (!state.running()) co_return;
  state.status = Status::exited;
  state.pid = 0;
  state.start_ticks = 0;
  state.exit_code = exit.exit_code;
  // The monitor need not have told before: the first process itself may have been the victim.
  if (exit.oom_killed && !state.oom_killed) publish(*container, "oom");
  state.oom_killed = exit.oom_killed;
  state.finished_at = exit.finished_at;
  container->link.reset();
  container->init.reset();
  container->settling = container->tearing_down = true;
  record.endpoints.clear();  // of the row; the live ones go when they have been given back
  end_execs(*container);
  publish(*container, "die",
          {{"exitCode", cat(exit.exit_code)}, {"execDuration", seconds_between(state.started_at, state.finished_at)}});

  const std::optional<std::chrono::milliseconds> delay = restart_delay(*container);
  const bool goes_away = record.host_config.auto_remove && !delay && !container->being_restarted;
  if (delay) {
    state.status = Status::restarting;
    ++state.restart_count;
  }
  if (goes_away) container->removal_asked = true;
  note_image_use(record);

  // Addresses and ports are free again when anybody is told that the container has ended.
  Running<void> leaving{parts_.loop, background_, "leaving a network", leave_networks(container)};
  try {
    if (goes_away) {
      co_await erase_row(container, true);
    } else {
      co_await parts_.store.update(record);
    }
  } catch (const Error& error) {
    parts_.log.error("container ", container->id(), ": recording its exit: ", error.text());
    if (!goes_away) keep_recording(container);
  }
  co_await leaving.result();
  container->last_exit = {.status_code = exit.exit_code, .error = {}};
  ++container->exits;
  container->settling = false;
  container->changed.notify_all();
  if (delay) background_.spawn("restart", restart_later(container, *delay, ++container->restart_ticket));
}

/// Tries again until the disk takes what has happened to a container.
void ContainersService::keep_recording(const ContainerPtr& container) {
  if (std::exchange(container->unrecorded, true)) return;
  background_.spawn("recording a container's state", record_again(container));
}

Task<void> ContainersService::record_again(ContainerPtr container) {
  constexpr std::chrono::seconds kPause{2};
  while (container->unrecorded && !container->removed) {
    co_await async::sleep_for(kPause);
    try {
      co_await parts_.store.update(container->record);  // as it is by now; without a row it does nothing
      container->unrecorded = false;
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) throw;
    }
  }
}

std::optional<std::chrono::milliseconds> ContainersService::restart_delay(Container& container) {
  const container::State& state = container.record.state;
  if (closing_ || container.removal_asked || container.being_restarted) return std::nullopt;
  return container.restarts.next_start(container.record.host_config.restart_policy, state.exit_code,
                                       state.manually_stopped, state.restart_count,
                                       std::chrono::nanoseconds{state.finished_at - state.started_at});
}

/// Gives addresses and ports back. A failure is logged: the next start of the daemon tries again.
Task<void> ContainersService::leave_networks(ContainerPtr container) {
  const std::vector<network::Endpoint> endpoints = container->endpoints;
  if (endpoints.empty()) co_return;
  try {
    co_await parts_.pool.run([&] {
      for (const network::Endpoint& endpoint : endpoints) parts_.networks.detach(endpoint);
    });
  } catch (const Error& error) {
    parts_.log.warn("container ", container->id(), ": leaving its network: ", error.text());
  }
  publish_network_events(*container, "disconnect");
  container->endpoints.clear();
}

/// What is left when the shim has done its part.
Task<void> ContainersService::tear_down_run(ContainerPtr container) {
  try {
    const std::string dir = run_dir(container->id());
    co_await parts_.pool.run([&] { sys::remove_tree(dir); });
    co_await parts_.volumes.unmount_for(container->record);
  } catch (const Error& error) {
    parts_.log.warn("container ", container->id(), ": removing its run folder: ", error.text());
  }
  publish_volume_events(*container, "unmount");
  container->tearing_down = false;
  container->changed.notify_all();
  if (container->removed && container->record.host_config.auto_remove) co_await remove_files(container);
}

Task<void> ContainersService::restart_later(ContainerPtr container, std::chrono::milliseconds delay,
                                            std::uint64_t ticket) {
  co_await async::sleep_for(delay);
  const async::Mutex::Guard guard = co_await container->operations.lock();
  if (container->restart_ticket != ticket || container->record.state.status != Status::restarting || closing_)
    co_return;
  try {
    co_await start_locked(container, Cause::policy);
  } catch (const Error& error) {
    parts_.log.error("restarting container ", container->id(), ": ", error.text());
  }
}

/// A container that waits for its next start is then simply one that has ended.
void ContainersService::call_off_restart(Container& container) {
  if (container.record.state.status != Status::restarting) return;
  ++container.restart_ticket;
  container.record.state.status = Status::exited;
  container.changed.notify_all();
}

}  // namespace berth::engine
