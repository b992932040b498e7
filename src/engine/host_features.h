#pragma once

#include <string>

namespace berth::engine {

/// What this kernel, and the cgroup hierarchies mounted here, can do for containers.
struct HostFeatures {
  bool cgroup_v2 = false;  ///< the unified hierarchy alone
  bool memory_limit = true, swap_limit = true, memory_reservation = true, memory_swappiness = true,
       oom_kill_disable = true;
  bool cpu_shares = true, cpu_cfs = true, cpu_realtime = true, cpuset = true, pids_limit = true;
  bool blkio_weight = true, blkio_weight_device = true, blkio_throttle = true;
  bool cgroup_namespaces = true, ipv4_forwarding = true;
  std::string cpus, mems;  ///< "0-3": what a cpuset may name; "" unknown
  int cpu_count = 1;
};

/// Looks at /proc and the mounted hierarchies; call it once at start.
HostFeatures detect_host_features();

std::string host_name();

}  // namespace berth::engine
