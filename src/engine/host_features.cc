#include "engine/host_features.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::engine {

namespace {

struct Hierarchies {
  std::map<std::string, std::string> controllers;  ///< v1 controller to where it is mounted
  std::string unified;                             ///< mount point of a cgroup2, "" without
};

/// Spec: proc_pid_mountinfo(5); the fields after " - " are type, source and the super block's options.
Hierarchies find_hierarchies() {
  Hierarchies found;
  for (const std::string& line : split(sys::read_file_if_exists("/proc/self/mountinfo").value_or(""), '\n')) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const std::vector<std::string> head = split(line.substr(0, dash), ' ');
    const std::vector<std::string> tail = split(line.substr(dash + 3), ' ');
    if (head.size() < 5 || tail.size() < 3) continue;
    if (tail[0] == "cgroup2") found.unified = head[4];
    if (tail[0] != "cgroup") continue;
    for (const std::string& option : split(tail[2], ',')) found.controllers.try_emplace(option, head[4]);
  }
  return found;
}

std::string text_of(const std::string& path) { return std::string{trim(sys::read_file_if_exists(path).value_or(""))}; }

void detect_v1(const Hierarchies& found, HostFeatures& out) {
  const auto has = [&](const std::string& controller, const std::string& file) {
    const auto at = found.controllers.find(controller);
    return at != found.controllers.end() && sys::exists(at->second + "/" + file);
  };
  out.memory_limit = has("memory", "memory.limit_in_bytes");
  out.swap_limit = has("memory", "memory.memsw.limit_in_bytes");
  out.memory_reservation = has("memory", "memory.soft_limit_in_bytes");
  out.oom_kill_disable = has("memory", "memory.oom_control");
  out.memory_swappiness = has("memory", "memory.swappiness");
  out.cpu_shares = has("cpu", "cpu.shares");
  out.cpu_cfs = has("cpu", "cpu.cfs_quota_us");
  out.cpu_realtime = has("cpu", "cpu.rt_period_us");
  out.cpuset = found.controllers.contains("cpuset");
  out.pids_limit = found.controllers.contains("pids");
  out.blkio_weight = has("blkio", "blkio.weight") || has("blkio", "blkio.bfq.weight");
  out.blkio_weight_device = has("blkio", "blkio.weight_device") || has("blkio", "blkio.bfq.weight_device");
  out.blkio_throttle = has("blkio", "blkio.throttle.read_bps_device");
  if (out.cpuset) {
    out.cpus = text_of(found.controllers.at("cpuset") + "/cpuset.cpus");
    out.mems = text_of(found.controllers.at("cpuset") + "/cpuset.mems");
  }
}

void detect_v2(const Hierarchies& found, HostFeatures& out) {
  const std::vector<std::string> controllers = split(text_of(found.unified + "/cgroup.controllers"), ' ');
  const auto has = [&](std::string_view name) { return std::ranges::find(controllers, name) != controllers.end(); };
  out.memory_limit = out.memory_reservation = has("memory");
  out.swap_limit = has("memory") && sys::exists("/proc/swaps");
  out.oom_kill_disable = out.memory_swappiness = out.cpu_realtime = false;  // v1 only
  out.cpu_shares = out.cpu_cfs = has("cpu");
  out.cpuset = has("cpuset");
  out.pids_limit = has("pids");
  out.blkio_weight = out.blkio_weight_device = out.blkio_throttle = has("io");
  out.cpus = text_of(found.unified + "/cpuset.cpus.effective");
  out.mems = text_of(found.unified + "/cpuset.mems.effective");
}

}  // namespace

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) throw errno_error("gethostname", "");
  return name;
}

HostFeatures detect_host_features() {
  HostFeatures out;
  const Hierarchies found = find_hierarchies();
  // On a hybrid host the controllers are v1's, and the cgroup2 is there for systemd alone.
  out.cgroup_v2 = !found.unified.empty() && !found.controllers.contains("memory") && !found.controllers.contains("cpu");
  if (out.cgroup_v2) {
    detect_v2(found, out);
  } else {
    detect_v1(found, out);
  }
  if (out.cpus.empty()) out.cpus = text_of("/sys/devices/system/cpu/online");
  out.cgroup_namespaces = sys::exists("/proc/self/ns/cgroup");
  out.ipv4_forwarding = text_of("/proc/sys/net/ipv4/ip_forward") != "0";
  out.cpu_count = std::max(1, static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)));
  return out;
}

}  // namespace berth::engine
