// POST /containers/{id}/start, and the restarts of a policy.
#include <unistd.h>

#include <csignal>
#include <utility>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "container/ports.h"
#include "engine/abandoned_run.h"
#include "engine/checkpoint_folders.h"
#include "engine/container_setup.h"
#include "engine/containers_service.h"
#include "engine/host_features.h"
#include "engine/host_files.h"
#include "engine/start_failure.h"
#include "runtime/criu/images.h"

namespace berth::engine {

using container::Status;
using runtime::shim::Command;
using runtime::shim::CommandKind;
using runtime::shim::EventKind;

/// One start on its way: what it has made so far.
struct ContainersService::Launch {
  std::vector<network::Endpoint> endpoints;
  sys::UniqueFd netns;
  std::shared_ptr<ShimLink> link;
  std::optional<ShimMessage> started;
  HostFilesPlan host_files;
  std::string preferred_address;  ///< of the checkpoint that it goes on from: sockets may be bound to it
  bool failed = false;            ///< the shim has undone its part and goes away
  bool orphaned = false;          ///< the shim has gone and has undone nothing
  int exit_code = 128;            ///< what State shows when it fails
};

namespace {

bool shares_network(const container::HostConfig& host_config) {
  return host_config.network_mode == "host" || host_config.network_mode.starts_with("container:");
}

bool is_isolated(const container::Record& record) {
  return record.host_config.network_mode == "none" || record.config.network_disabled;
}

network::EndpointRequest endpoint_request(const container::Record& record) {
  network::EndpointRequest request;
  request.container_id = record.id;
  const std::string& mode = record.host_config.network_mode;
  request.network = mode.empty() || mode == "default" ? "bridge" : mode;
  request.mac_address = record.config.mac_address;
  const auto& asked = record.networking.endpoints_config;
  auto wanted = asked.find(mode);
  if (wanted == asked.end()) wanted = asked.find(request.network);
  if (wanted == asked.end() && request.network == "bridge") wanted = asked.find("default");
  if (wanted != asked.end()) {
    if (!wanted->second.mac_address.empty()) request.mac_address = wanted->second.mac_address;
    if (wanted->second.ipam_config) request.ipv4_address = wanted->second.ipam_config->ipv4_address;
  }
  for (const container::PublishedPort& port : container::published_ports(record.config, record.host_config)) {
    request.ports.push_back({.container_port = port.port.number,
                             .protocol = port.port.protocol,
                             .host_ip = port.host_ip,
                             .host_first = port.host.first,
                             .host_last = port.host.last});
  }
  return request;
}

network::Sandbox open_sandbox(network::Networks& networks, const container::Record& record,
                              const std::string& preferred_address) {
  if (is_isolated(record)) return networks.isolated();
  network::EndpointRequest request = endpoint_request(record);
  request.preferred_address = preferred_address;
  if (request.network == "bridge" && !networks.find("bridge")) return networks.isolated();  // --bridge none
  try {
    return networks.attach(request);
  } catch (Error& error) {
    error.during("failed to set up container networking");
    throw;
  }
}

std::string text_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace

Task<Started> ContainersService::start(std::string id, CheckpointName checkpoint) {
  if (!checkpoint.name.empty() && !options_.experimental) {
    throw invalid("checkpoint is only supported in experimental mode");
  }
  ContainerPtr container = registry_.get(id);
  return operation("start container", start_now(std::move(container), std::move(checkpoint)));
}

Task<Started> ContainersService::start_now(ContainerPtr container, CheckpointName checkpoint) {
  const async::Mutex::Guard guard = co_await container->operations.lock();
  if (container->record.state.status == Status::paused) {
    throw conflict("cannot start a paused container, try unpause instead");
  }
  // One that waits for its next start counts as running, for dockerd too.
  if (container->running() || container->record.state.status == Status::restarting) co_return Started::already;
  std::string images_dir;
  if (!checkpoint.name.empty()) {
    const std::string dir = checkpoints_dir(*container, checkpoint.dir), shown = "/" + container->record.name;
    images_dir = co_await parts_.pool.run([&] { return get_checkpoint(dir, checkpoint.name, shown); });
  }
  co_await start_locked(container, Cause::user, std::move(images_dir));
  co_return Started::now;
}

Task<void> ContainersService::start_locked(ContainerPtr container, Cause cause, std::string images_dir) {
  while (container->tearing_down || container->settling) co_await container->changed.wait();
  if (!container->file_uses.empty()) co_await wait_for_file_writers(container);
  if (container->removal_asked) {
    throw conflict("container is marked for removal and cannot be started");
  }
  Launch launch;
  std::exception_ptr failure;
  try {
    co_await this->launch(*container, launch, std::move(images_dir));
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) co_await abandon(container, launch, failure);

  const runtime::shim::Event& started = launch.started->event;
  container::State& state = container->record.state;
  state.status = Status::running;
  state.pid = started.pid;
  state.start_ticks = started.start_ticks;
  state.started_at = started.started_at;
  state.exit_code = 0;
  state.error.clear();
  state.oom_killed = state.dead = false;
  container->exit_on_next = false;
  if (cause != Cause::policy) {
    state.restart_count = 0;
    state.manually_stopped = false;
    container->restarts.reset();
  }
  if (!launch.started->fds.empty()) container->init = std::move(launch.started->fds.front());
  container->link = launch.link;
  container->endpoints = std::move(launch.endpoints);
  container->record.endpoints = json::to_json(container->endpoints);
  ++container->starts;
  note_image_use(container->record);
  publish_volume_events(*container, "mount");
  publish_network_events(*container, "connect");
  publish(*container, "start");
  container->changed.notify_all();
  background_.spawn(cat("container ", container->id()), watch(container, launch.link));
  start_health(container, HealthSince::start);
  co_await send_pending_attaches(*container, *launch.link);  // of clients who came while it started
  std::exception_ptr unrecorded;
  try {
    co_await parts_.store.update(container->record);
  } catch (...) {
    unrecorded = std::current_exception();
  }
  if (unrecorded && cause == Cause::policy) keep_recording(container);  // the row says that it is to run
  if (unrecorded && cause == Cause::user) co_await take_back(container, unrecorded);
}

/// A full disk: the next daemon would undo a start that no row speaks of. So it is undone now, and its client told.
Task<void> ContainersService::take_back(ContainerPtr container, std::exception_ptr failure) {
  const std::uint64_t run = container->starts;
  const bool was_restart = std::exchange(container->being_restarted, true);  // --rm and restart policies look away
  container->record.state.manually_stopped = true;
  if (container->running()) send_signal(*container, SIGKILL);
  (void)co_await wait_until_ended(container, run, std::chrono::seconds{10});
  container->being_restarted = was_restart;
  container->record.state.error = text_of(failure);
  if (container->record.host_config.auto_remove && !was_restart && !container->removal_asked) {
    container->removal_asked = true;
    co_await erase_row(container, true);
    co_await remove_files(container);
  }
  std::rethrow_exception(failure);
}

/// Everything of a start; what it has made so far stands in `launch` when it throws.
Task<void> ContainersService::launch(Container& container, Launch& launch, std::string images_dir) {
  std::optional<runtime::shim::Restore> restore;
  if (!images_dir.empty()) {
    check_can_checkpoint(container.record);
    restore.emplace(co_await require_criu(), std::move(images_dir));
    launch.preferred_address =
        co_await parts_.pool.run([&] { return runtime::criu::read_descriptor(restore->images_dir).ipv4_address; });
  }
  const SetupFacts facts = facts_of(container);
  launch.host_files = plan_host_files(container);
  co_await parts_.volumes.mount_for(container.record);
  runtime::shim::LaunchRequest request = make_request(container, facts);
  request.restore = std::move(restore);

  // The run folder is the start's intent: reconcile undoes what has one and did not come to run.
  auto [socket, shim] = co_await parts_.pool.run([&] {
    sys::make_dir(run_dir(container.id()), 0700);
    for (const container::MountPoint& mount : container.record.mount_points) {
      // A source that exists may be a file.
      if (mount.type == "bind" && mount.create_source && !sys::exists(mount.source)) sys::ensure_dir(mount.source);
    }
    check_shared_binds(container.record);
    write_host_files(launch.host_files);
    // Compiled here when it is not in the cache: that takes milliseconds. The record stands still while it starts.
    request.seccomp_program = seccomp_program(container.record.host_config, options_.defaults);
    return ShimLink::launch(shim_program_, request);
  });
  launch.link = std::make_shared<ShimLink>(parts_.loop, std::move(socket), std::move(shim));

  // Meanwhile the shim makes namespaces and mounts. It may fail at that and be gone before it is sent anything: then
  // its last message says why.
  co_await send_pending_attaches(container, *launch.link);
  if (request.wait_for_network) co_await connect_network(container, launch);
  co_await await_start(launch);
}

runtime::shim::LaunchRequest ContainersService::make_request(const Container& container,
                                                             const SetupFacts& facts) const {
  const container::Record& record = container.record;
  runtime::shim::LaunchRequest request;
  request.id = record.id;
  request.run_dir = run_dir(record.id);
  request.socket_path = request.run_dir + "/shim.sock";
  request.spec = build_spec(record, options_.defaults, facts);
  const graph::RootPaths paths = parts_.graph.container_layer(record.id, record.chain_ids);
  request.root = {.overlay = paths.overlay,
                  .lower_dirs = paths.lower_dirs,
                  .upper_dir = paths.upper_dir,
                  .work_dir = paths.work_dir,
                  .volatile_upper = record.host_config.auto_remove};
  request.log = log_target_of(record, container_dir(record.id), options_.logger_path);
  request.open_stdin = record.config.open_stdin;
  request.stdin_once = record.config.stdin_once;
  request.wait_for_network = facts.own_network;
  if (wants_init(record.host_config, options_.defaults)) request.init_path = options_.init_path;
  return request;
}

SetupFacts ContainersService::facts_of(const Container& container) const {
  const container::Record& record = container.record;
  const container::HostConfig& host_config = record.host_config;
  SetupFacts facts;
  facts.container_dir = container_dir(record.id);
  facts.volume_paths = parts_.volumes.paths_for(record);
  facts.hostname = record.config.hostname.empty() ? host_name() : record.config.hostname;
  facts.own_network = !shares_network(host_config);
  if (host_config.network_mode.starts_with("container:")) {
    const container::Record& donor = get_running(host_config.network_mode)->record;
    facts.netns_path = cat("/proc/", donor.state.pid, "/ns/net");
    facts.hostname = donor.config.hostname.empty() ? host_name() : donor.config.hostname;
  }
  if (host_config.ipc_mode.starts_with("container:")) {
    const container::Record& donor = get_running(host_config.ipc_mode)->record;
    if (donor.host_config.ipc_mode == "private" || donor.host_config.ipc_mode == "none") {
      throw system_error(cat("can't join IPC of container ", donor.id,
                             ": non-shareable IPC (hint: use IpcMode:shareable for the donor container)"));
    }
    const std::int32_t pid = donor.state.pid;
    facts.ipc_path = cat("/proc/", pid, "/ns/ipc");
    facts.shm_dir = cat("/proc/", pid, "/root/dev/shm");
  }
  if (host_config.pid_mode.starts_with("container:")) {
    facts.pid_path = cat("/proc/", get_running(host_config.pid_mode)->record.state.pid, "/ns/pid");
  }
  return facts;
}

ContainerPtr ContainersService::get_running(const std::string& mode) const {
  const std::string name = mode.substr(mode.find(':') + 1);
  ContainerPtr container = registry_.get(name);
  if (!container->running()) {
    throw conflict(cat("cannot join network namespace of a non running container: ", container->id()));
  }
  return container;
}

Task<void> ContainersService::connect_network(Container& container, Launch& launch) {
  co_await parts_.pool.run([&] {
    network::Sandbox sandbox = open_sandbox(parts_.networks, container.record, launch.preferred_address);
    launch.netns = std::move(sandbox.netns);
    if (!sandbox.endpoint) return;
    launch.endpoints.push_back(std::move(*sandbox.endpoint));
    for (const network::Endpoint& endpoint : launch.endpoints) {
      launch.host_files.hosts.addresses.push_back(endpoint.ipv4_address);
    }
    write_hosts(launch.host_files);
  });
  (void)co_await launch.link->send({.kind = CommandKind::network}, {launch.netns.get()});
}

Task<void> ContainersService::await_start(Launch& launch) {
  for (;;) {
    std::optional<ShimMessage> message = co_await launch.link->receive();
    if (!message) {
      launch.orphaned = true;
      throw system_error("failed to create task for container: the container's shim ended unexpectedly");
    }
    if (message->event.kind == EventKind::failed) {
      launch.failed = true;
      launch.exit_code = exit_code_of(message->event);
      throw start_failure(message->event);
    }
    if (message->event.kind == EventKind::started) {
      launch.started = std::move(message);
      co_return;
    }
  }
}

/// Takes a start back, records why, and throws it.
Task<void> ContainersService::abandon(ContainerPtr container, Launch& launch, std::exception_ptr failure) {
  if (launch.link) co_await end_shim(*container, launch);
  launch.netns.reset();
  const std::vector<network::Endpoint> endpoints = std::move(launch.endpoints);
  try {
    co_await parts_.pool.run([&] {
      for (const network::Endpoint& endpoint : endpoints) parts_.networks.detach(endpoint);
      sys::remove_tree(run_dir(container->id()));
    });
    co_await parts_.volumes.unmount_for(container->record);
  } catch (const Error& error) {
    parts_.log.warn("undoing the start of container ", container->id(), ": ", error.text());
  }
  container->pending_attaches.clear();  // their clients see the end of their streams

  container::State& state = container->record.state;
  state.status = state.started_at == 0 ? Status::created : Status::exited;
  state.exit_code = launch.exit_code;
  state.error = text_of(failure);
  container->changed.notify_all();
  if (container->record.host_config.auto_remove && !container->being_restarted) {
    container->removal_asked = true;
    co_await erase_row(container, true);
    co_await remove_files(container);
  } else {
    co_await parts_.store.update(container->record);
  }
  std::rethrow_exception(failure);
}

/// Ends the shim of a start that did not come to run, and whatever it has started.
Task<void> ContainersService::end_shim(const Container& container, Launch& launch) {
  if (!launch.failed && !launch.orphaned) (void)co_await launch.link->send({.kind = CommandKind::abort}, {});
  const bool killed = !co_await launch.link->reap(std::chrono::seconds{5});
  if (killed || launch.orphaned) {
    const std::string dir = run_dir(container.id()), cgroup = cgroup_path(container);
    co_await parts_.pool.run([&] { (void)end_run(dir, cgroup); });
  }
}

/// On the loop, since it looks at another container; what it returns is then written on the pool.
HostFilesPlan ContainersService::plan_host_files(const Container& container) const {
  const container::Record& record = container.record;
  const container::HostConfig& host_config = record.host_config;
  HostFilesPlan plan;
  plan.dir = container_dir(record.id);
  if (host_config.network_mode.starts_with("container:")) {
    plan.donor_dir = container_dir(get_running(host_config.network_mode)->id());
    return plan;
  }
  plan.own_network = !shares_network(host_config);
  plan.hostname = record.config.hostname.empty() ? host_name() : record.config.hostname;
  plan.hosts = {.hostname = record.config.hostname,
                .domainname = record.config.domainname,
                .addresses = {},
                .extra_hosts = host_config.extra_hosts,
                .host_gateway = options_.host_gateway_ip};
  if (plan.hosts.host_gateway.empty()) plan.hosts.host_gateway = parts_.networks.default_gateway();
  plan.resolv_conf = {.nameservers = host_config.dns.empty() ? options_.dns : host_config.dns,
                      .search = host_config.dns_search.empty() ? options_.dns_search : host_config.dns_search,
                      .options = host_config.dns_options.empty() ? options_.dns_options : host_config.dns_options};
  return plan;
}

}  // namespace berth::engine
