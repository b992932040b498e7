// POST /containers/{id}/update
#include "base/core/error.h"
#include "base/core/text.h"
#include "container/restart_policy.h"
#include "engine/container_setup.h"
#include "engine/containers_service.h"

namespace berth::engine {

namespace {

/// What the request gives replaces; what it leaves at its zero value stays.
template <class T>
void take(T& current, const T& wanted) {
  if (wanted != T{}) current = wanted;
}

/// Two ways of saying the same, of which a container keeps the one that it has. Memory may only grow with its swap.
void check_conflicts(const container::Resources& current, const container::Resources& wanted) {
  if (wanted.nano_cpus > 0 && current.cpu_period > 0) {
    throw conflict("Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set");
  }
  if (wanted.nano_cpus > 0 && current.cpu_quota > 0) {
    throw conflict("Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set");
  }
  if (wanted.cpu_period > 0 && current.nano_cpus > 0) {
    throw conflict("Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set");
  }
  if (wanted.cpu_quota > 0 && current.nano_cpus > 0) {
    throw conflict("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set");
  }
  // dockerd takes "no ceiling" (-1) for smaller than any limit, and refuses that as well.
  if (wanted.memory != 0 && wanted.memory_swap == 0 && wanted.memory > current.memory_swap) {
    throw conflict(
        "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time");
  }
}

container::Resources merged(container::Resources current, const container::Resources& wanted) {
  take(current.cpu_shares, wanted.cpu_shares);
  take(current.cpu_period, wanted.cpu_period);
  take(current.cpu_quota, wanted.cpu_quota);
  take(current.cpu_realtime_period, wanted.cpu_realtime_period);
  take(current.cpu_realtime_runtime, wanted.cpu_realtime_runtime);
  take(current.cpuset_cpus, wanted.cpuset_cpus);
  take(current.cpuset_mems, wanted.cpuset_mems);
  take(current.nano_cpus, wanted.nano_cpus);
  take(current.memory, wanted.memory);
  take(current.memory_swap, wanted.memory_swap);
  take(current.memory_reservation, wanted.memory_reservation);
  take(current.blkio_weight, wanted.blkio_weight);
  if (wanted.pids_limit) current.pids_limit = wanted.pids_limit;
  return current;
}

}  // namespace

Task<std::vector<std::string>> ContainersService::update(std::string id, container::Resources resources,
                                                         std::optional<container::RestartPolicy> policy) {
  return operation("update container", update_now(registry_.get(id), std::move(resources), std::move(policy)));
}

Task<std::vector<std::string>> ContainersService::update_now(ContainerPtr container, container::Resources resources,
                                                             std::optional<container::RestartPolicy> policy) {
  const async::Mutex::Guard guard = co_await container->operations.lock();
  container::HostConfig& host_config = container->record.host_config;
  if (policy && policy->name.empty()) policy.reset();
  if (policy) container::check_restart_policy(*policy);
  std::vector<std::string> warnings;
  check_update(resources, options_.defaults, warnings);
  try {
    if (container->removal_asked) throw conflict("container is marked for removal and cannot be \"update\"");
    check_conflicts(host_config, resources);
    if (policy && policy->name != "no" && host_config.auto_remove) {
      throw conflict("Restart policy cannot be updated because AutoRemove is enabled for the container");
    }
    resources = merged(host_config, resources);
    if (const std::shared_ptr<ShimLink> link = container->link) {
      co_await link->call({.kind = runtime::shim::CommandKind::update, .resources = limits_of(resources)}, {});
    }
  } catch (Error& error) {
    error.during(cat("Cannot update container ", container->id()));
    throw;
  }
  static_cast<container::Resources&>(host_config) = std::move(resources);
  if (policy) host_config.restart_policy = std::move(*policy);
  co_await parts_.store.update(container->record);
  publish(*container, "update");
  co_return warnings;
}

}  // namespace berth::engine
