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

/// Why the wanted values don't go together with those that stay; "" when they do.
std::string_view conflict_with(const container::Resources& current, const container::Resources& wanted,
                               bool swap_limit) {
  if (wanted.nano_cpus > 0 && current.cpu_period > 0) {
    return "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set";
  }
  if (wanted.nano_cpus > 0 && current.cpu_quota > 0) {
    return "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set";
  }
  if (wanted.cpu_period > 0 && current.nano_cpus > 0) {
    return "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set";
  }
  if (wanted.cpu_quota > 0 && current.nano_cpus > 0) {
    return "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set";
  }
  // A ceiling of 0 or -1 counts as set, too: dockerd wants both to be given at once.
  if (swap_limit && wanted.memory_swap == 0 && wanted.memory > std::max<std::int64_t>(current.memory_swap, 0)) {
    return "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time";
  }
  return "";
}

}  // namespace

Task<std::vector<std::string>> ContainersService::update(std::string id, container::Resources resources,
                                                         std::optional<container::RestartPolicy> policy) {
  if (resources.pids_limit && *resources.pids_limit <= 0) resources.pids_limit = 0;  // any of them: no limit
  return operation("update container", update_now(registry_.get(id), std::move(resources), std::move(policy)));
}

Task<std::vector<std::string>> ContainersService::update_now(ContainerPtr container, container::Resources resources,
                                                             std::optional<container::RestartPolicy> policy) {
  const async::Mutex::Guard guard = co_await container->operations.lock();
  container::HostConfig& host_config = container->record.host_config;
  if (policy) container::check_restart_policy(*policy);
  const auto refused = [&](std::string_view why) {
    return conflict(cat("Cannot update container ", container->id(), ": ", why));
  };
  if (container->removal_asked) throw refused("container is marked for removal and cannot be \"update\"");
  const std::string_view why = conflict_with(host_config, resources, options_.defaults.host.swap_limit);
  if (!why.empty()) throw refused(why);
  if (policy && !policy->name.empty() && policy->name != "no" && host_config.auto_remove) {
    throw refused("Restart policy cannot be updated because AutoRemove is enabled for the container");
  }
  std::vector<std::string> warnings;
  container::Resources wanted = merged(host_config, resources);
  check_update(wanted, options_.defaults, warnings);
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
