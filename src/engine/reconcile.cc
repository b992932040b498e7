// The daemon's start and end: rows, run folders, layers and networks are brought together again.
#include <algorithm>
#include <csignal>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "engine/abandoned_run.h"
#include "engine/checkpoint_folders.h"
#include "engine/container_setup.h"
#include "engine/containers_service.h"
#include "runtime/cgroups/cgroup.h"
#include "runtime/shim/client.h"

namespace berth::engine {

using container::Status;
using runtime::shim::CommandKind;
using runtime::shim::EventKind;
using runtime::shim::ExitRecord;

namespace {

/// What Docker shows for a container that was running when the machine went down.
constexpr int kLostWithMachine = 255;
constexpr std::chrono::seconds kHelloPatience{5};

bool was_alive(const container::State& state) { return state.running() || state.status == Status::restarting; }

/// Ends a shim that does not talk: the run is then one without a shim.
Task<void> close_after(std::shared_ptr<ShimLink> link, std::chrono::nanoseconds patience) {
  co_await async::sleep_for(patience);
  link->hang_up();
}

}  // namespace

/// The database is the only truth about which containers there are.
void ContainersService::load_containers() {
  StateStore::Loaded loaded = parts_.store.load();
  for (const StateStore::Unreadable& row : loaded.unreadable) {
    parts_.log.error("container ", row.name, " (", row.id, "): its row in ", options_.data_root,
                     "/state.db is damaged (", row.problem,
                     "); it is left aside with its files. Restore the database from a backup, or delete the row with: "
                     "sqlite3 ",
                     options_.data_root, "/state.db \"DELETE FROM containers WHERE id='", row.id, "'\"");
    unreadable_.insert(row.id);
    registry_.reserve(row.name, row.id);
  }
  for (container::Record& record : loaded.records) {
    registry_.reserve(record.name, record.id);
    note_image_use(record);
    parts_.volumes.add_reference(record);
    registry_.add(std::make_shared<Container>(parts_.loop, std::move(record)));
  }
}

Task<void> ContainersService::reconcile() {
  shim_program_ = co_await parts_.pool.run([this] { return runtime::shim::seal_program(options_.shim_path); });
  load_containers();
  co_await restore_folders();
  std::set<std::string> known = unreadable_, runs;
  for (std::string& id : sys::list_dir(options_.exec_root + "/containers")) runs.insert(std::move(id));

  std::vector<ContainerPtr> to_resume;
  std::vector<Running<void>> adoptions;
  for (const ContainerPtr& container : registry_.all()) {
    known.insert(container->id());
    if (was_alive(container->record.state))
      to_resume.push_back(container);
    else if (container::starts_with_daemon(container->record.host_config.restart_policy,
                                           container->record.state.manually_stopped) &&
             container->record.state.started_at != 0) {
      to_resume.push_back(container);
    }
    if (runs.contains(container->id())) {
      adoptions.emplace_back(parts_.loop, background_, "adopting a container", adopt(container));
    } else if (container->running()) {
      mark_ended(*container, {.exit_code = kLostWithMachine, .finished_at = now().time_since_epoch().count()});
    }
  }
  for (Running<void>& adoption : adoptions) co_await adoption.result();

  std::vector<container::Record> running;
  for (const ContainerPtr& container : registry_.all()) {
    if (container->running()) running.push_back(container->record);
  }
  const std::vector<network::Endpoint> alive = live_endpoints();
  co_await parts_.pool.run([&] { parts_.networks.reconcile(alive); });
  co_await parts_.volumes.reconcile(std::move(running));
  co_await sweep(std::move(known));
  for (const ContainerPtr& container : to_resume) {
    if (!container->running()) background_.spawn("resuming a container", resume(container));
  }
  // 15 ms that nobody waits for yet.
  background_.spawn("compiling the default seccomp profile", prepare_seccomp());
}

/// A row is on the disk before the folders it speaks of are: after a power cut they may be missing.
Task<void> ContainersService::restore_folders() {
  co_await parts_.pool.run([&] {
    for (const ContainerPtr& container : registry_.all()) {
      const container::Record& record = container->record;
      try {
        const std::string dir = container_dir(record.id);
        const bool had_dir = sys::exists(dir);
        if (!had_dir) sys::ensure_dir(dir, 0710);
        if (parts_.graph.restore_container_layer(record.id, record.chain_ids) || !had_dir) {
          parts_.log.warn("container ", record.name, " (", record.id,
                          "): its folders were lost, with what it had written "
                          "last; they are made anew");
        }
      } catch (const Error& error) {
        parts_.log.error("container ", record.name, " (", record.id, "): ", error.text());
      }
    }
  });
}

Task<void> ContainersService::prepare_seccomp() {
  co_await parts_.pool.run([this] { warm_seccomp(options_.defaults); });
}

/// One that has a run folder: it runs, or it ended while no daemon was there, or its start was never finished.
Task<void> ContainersService::adopt(ContainerPtr container) {
  const std::string dir = run_dir(container->id());
  std::optional<sys::UniqueFd> socket = co_await parts_.pool.run([&] { return ShimLink::connect(dir + "/shim.sock"); });
  std::shared_ptr<ShimLink> link;
  std::optional<ShimMessage> hello;
  if (socket) {
    link = std::make_shared<ShimLink>(parts_.loop, std::move(*socket));
    async::Nursery patience{parts_.loop};
    patience.spawn("waiting for a shim", close_after(link, kHelloPatience));
    hello = co_await link->receive();
    co_await patience.close();
  }
  container::State& state = container->record.state;
  const bool runs = hello && hello->event.kind == EventKind::hello && hello->event.pid != 0 && !hello->fds.empty();
  if (!state.running()) {
    // Its client was never told that it runs.
    co_await undo_start(container, link, runs ? std::move(hello->fds.front()) : sys::UniqueFd{});
    co_return;
  }
  if (!runs) {
    mark_ended(*container, co_await find_exit(container));
    co_await parts_.pool.run([&] { sys::remove_tree(dir); });
    co_return;
  }
  state.pid = hello->event.pid;
  state.start_ticks = hello->event.start_ticks;
  state.started_at = hello->event.started_at;
  thaw_marked(container->id(), cgroup_path(*container));
  const runtime::cgroups::Cgroup cgroup{runtime::cgroups::find_tree(), cgroup_path(*container)};
  state.status = cgroup.frozen() ? Status::paused : Status::running;
  container->init = std::move(hello->fds.front());
  container->link = link;
  if (!container->record.endpoints.empty()) {
    container->endpoints = json::from_json<std::vector<network::Endpoint>>(container->record.endpoints);
  }
  ++container->starts;
  note_image_use(container->record);
  background_.spawn(cat("container ", container->id()), watch(container, link));
}

Task<void> ContainersService::undo_start(ContainerPtr container, std::shared_ptr<ShimLink> link, sys::UniqueFd init) {
  if (link && init) {
    (void)sys::signal_pidfd(init, SIGKILL);
  } else if (link) {
    (void)co_await link->send({.kind = CommandKind::abort}, {});
  }
  if (link) {
    async::Nursery patience{parts_.loop};
    patience.spawn("waiting for a shim", close_after(link, kHelloPatience));
    while (const std::optional<ShimMessage> message = co_await link->receive()) {
      // Its program ran before the abort came, which was refused then.
      const bool started = message->event.kind == EventKind::started && !message->fds.empty();
      if (started) (void)sys::signal_pidfd(message->fds.front(), SIGKILL);
    }
    co_await patience.close();
  }
  (void)co_await find_exit(container);
  const std::string dir = run_dir(container->id());
  co_await parts_.pool.run([&] { sys::remove_tree(dir); });
}

/// In memory; resume() makes it durable. (If the daemon dies before, the next one finds the same.)
void ContainersService::mark_ended(Container& container, const ExitRecord& exit) {
  container::State& state = container.record.state;
  state.status = Status::exited;
  state.pid = 0;
  state.start_ticks = 0;
  state.exit_code = exit.exit_code;
  state.oom_killed = exit.oom_killed;
  if (exit.started_at != 0) state.started_at = exit.started_at;
  state.finished_at = exit.finished_at;
  container.record.endpoints.clear();
  container.last_exit = {.status_code = exit.exit_code, .error = {}};
  note_image_use(container.record);
}

/// After a start of the daemon: what a container that does not run is to do now.
Task<void> ContainersService::resume(ContainerPtr container) {
  const async::Mutex::Guard guard = co_await container->operations.lock();
  container::State& state = container->record.state;
  if (container->running() || container->removal_asked || closing_) co_return;
  if (state.status == Status::restarting) state.status = Status::exited;
  const std::string checkpoints = checkpoints_dir(*container, "");
  co_await parts_.pool.run([&] { remove_partial_checkpoints(checkpoints, parts_.log); });
  const container::HostConfig& host_config = container->record.host_config;
  if (host_config.auto_remove) {
    container->removal_asked = true;
    co_await erase_row(container, true);
    co_await remove_files(container);
    co_return;
  }
  co_await parts_.store.update(container->record);
  const bool failed_meanwhile = host_config.restart_policy.name == "on-failure" && state.exit_code != 0 &&
                                !state.manually_stopped && state.exit_code != kLostWithMachine;
  if (!failed_meanwhile && !container::starts_with_daemon(host_config.restart_policy, state.manually_stopped))
    co_return;
  if (!container->restarts.next_start(host_config.restart_policy, state.exit_code, false, state.restart_count,
                                      std::chrono::nanoseconds{state.finished_at - state.started_at})) {
    co_return;
  }
  try {
    co_await start_locked(container, Cause::policy);
  } catch (const Error& error) {
    parts_.log.error("starting container ", container->id(), " with the daemon: ", error.text());
  }
}

/// Removes what belongs to no row: half-made containers, half-removed ones, runs of containers that are gone.
Task<void> ContainersService::sweep(std::set<std::string> known) {
  const std::string runs = options_.exec_root + "/containers", dirs = options_.data_root + "/containers";
  co_await parts_.pool.run([&] {
    const auto each_orphan = [&](const std::vector<std::string>& names, const auto& remove) {
      for (const std::string& name : names) {
        if (known.contains(name)) continue;
        try {
          remove(name);
        } catch (const Error& error) {
          parts_.log.warn("removing what is left of container ", name, ": ", error.text());
        }
      }
    };
    each_orphan(sys::list_dir(runs), [&](const std::string& id) {
      (void)end_run(cat(runs, "/", id), cat(options_.defaults.cgroup_parent, "/", id));
      sys::remove_tree(cat(runs, "/", id));
    });
    each_orphan(parts_.graph.list_container_layers(),
                [&](const std::string& id) { parts_.graph.remove_container_layer(id); });
    each_orphan(sys::list_dir(dirs), [&](const std::string& id) { sys::remove_tree(cat(dirs, "/", id)); });
  });
}

Task<void> ContainersService::shutdown(bool keep_running) {
  closing_ = true;
  if (!keep_running) {
    std::vector<Running<void>> stops;
    for (const ContainerPtr& container : registry_.all()) {
      call_off_restart(*container);
      if (container->running())
        stops.emplace_back(parts_.loop, operations_, "stopping",
                           stop_running(container, std::nullopt, "", StopCause::shutdown));
    }
    for (Running<void>& stop : stops) {
      try {
        co_await stop.result();
      } catch (const Error& error) {
        parts_.log.error("stopping a container: ", error.text());
      }
    }
  }
  // What clients asked for ends by itself; who waits for a container that is kept running is sent away.
  for (int i = 0; i < 100 && operations_.size() > 0; ++i) co_await async::sleep_for(std::chrono::milliseconds{20});
  co_await operations_.close();
  for (int i = 0; i < 250 && (removals_ > 0 || (!keep_running && any_tearing_down())); ++i) {
    co_await async::sleep_for(std::chrono::milliseconds{20});
  }
  co_await background_.close();
  if (!keep_running) co_await parts_.volumes.unmount_all();
}

bool ContainersService::any_tearing_down() const {
  return std::ranges::any_of(registry_.all(), [](const ContainerPtr& container) { return container->tearing_down; });
}

}  // namespace berth::engine
