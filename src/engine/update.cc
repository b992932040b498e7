// POST /containers/{id}/update
#include <algorithm>

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

/// What would contradict what is set already has to be said together with it.
void check_conflicts(const container::Resources& current, const container::Resources& wanted) {
  const auto refuse = [](std::string_view what, std::string_view set) {
    throw conflict(cat("Conflicting options: ", what, " cannot be updated as ", set, " has already been set"));
  };
  if (wanted.nano_cpus > 0 && current.cpu_period > 0) refuse("Nano CPUs", "CPU Period");
  if (wanted.nano_cpus > 0 && current.cpu_quota > 0) refuse("Nano CPUs", "CPU Quota");
  if (wanted.cpu_period > 0 && current.nano_cpus > 0) refuse("CPU Period", "NanoCPUs");
  if (wanted.cpu_quota > 0 && current.nano_cpus > 0) refuse("CPU Quota", "NanoCPUs");
  // A ceiling of -1 is none; dockerd refuses there too.
  if (wanted.memory != 0 && wanted.memory > current.memory_swap && wanted.memory_swap == 0) {
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
  // 0 and -1 alike lift the limit.
  if (wanted.pids_limit) current.pids_limit = std::max<std::int64_t>(*wanted.pids_limit, 0);
  return current;
}

void check_updatable(const Container& container, const container::Resources& wanted,
                     const std::optional<container::RestartPolicy>& policy) {
  if (container.removal_asked) throw conflict("container is marked for removal and cannot be \"update\"");
  const container::HostConfig& current = container.record.host_config;
  check_conflicts(current, wanted);
  if (policy && !policy->name.empty() && policy->name != "no" && current.auto_remove) {
    throw conflict("Restart policy cannot be updated because AutoRemove is enabled for the container");
  }
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
  if (policy && !policy->name.empty()) container::check_restart_policy(*policy);
  std::vector<std::string> warnings;
  check_update(resources, options_.defaults, warnings);
  try {
    check_updatable(*container, resources, policy);
  } catch (Error& error) {
    error.during(cat("Cannot update container ", container->id()));
    throw;
  }
  container::Resources wanted = merged(host_config, resources);
  if (const std::shared_ptr<ShimLink> link = container->link) {
    co_await link->call({.kind = runtime::shim::CommandKind::update, .resources = limits_of(wanted)}, {});
  }
  static_cast<container::Resources&>(host_config) = std::move(wanted);
  if (policy && !policy->name.empty()) host_config.restart_policy = std::move(*policy);
  co_await parts_.store.update(container->record);
  publish(*container, "update");
  co_return warnings;
}

}  // namespace berth::engine
