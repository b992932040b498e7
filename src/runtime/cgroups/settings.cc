#include "runtime/cgroups/settings.h"

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::runtime::cgroups {
namespace {

std::string device_number(std::int64_t major, std::int64_t minor) { return cat(major, ':', minor); }

/// "c 1:3 rwm", "a *:* rwm"
std::string device_rule(const oci::DeviceRule& rule) {
  const std::string major = rule.major && *rule.major >= 0 ? cat(*rule.major) : "*";
  const std::string minor = rule.minor && *rule.minor >= 0 ? cat(*rule.minor) : "*";
  return cat(rule.type.empty() ? "a" : rule.type, ' ', major, ':', minor, ' ',
             rule.access.empty() ? "rwm" : rule.access);
}

void add_memory_v1(std::vector<Setting>& out, const oci::MemoryLimits& memory) {
  if (memory.limit && *memory.limit != 0) {
    out.push_back({"memory", "memory.limit_in_bytes", cat(*memory.limit)});
  }
  if (memory.swap && *memory.swap != 0) {
    // Without swap accounting the file is missing; Docker warns at create and goes on.
    out.push_back({"memory", "memory.memsw.limit_in_bytes", cat(*memory.swap), true});
  }
  if (memory.reservation && *memory.reservation != 0) {
    out.push_back({"memory", "memory.soft_limit_in_bytes", cat(*memory.reservation)});
  }
  if (memory.swappiness) out.push_back({"memory", "memory.swappiness", cat(*memory.swappiness)});
  if (memory.disable_oom_killer.value_or(false)) out.push_back({"memory", "memory.oom_control", "1"});
}

void add_cpu_v1(std::vector<Setting>& out, const oci::CpuLimits& cpu) {
  if (cpu.shares.value_or(0) != 0) out.push_back({"cpu", "cpu.shares", cat(*cpu.shares)});
  if (cpu.realtime_period.value_or(0) != 0) out.push_back({"cpu", "cpu.rt_period_us", cat(*cpu.realtime_period)});
  if (cpu.realtime_runtime.value_or(0) != 0) out.push_back({"cpu", "cpu.rt_runtime_us", cat(*cpu.realtime_runtime)});
  if (cpu.period.value_or(0) != 0) out.push_back({"cpu", "cpu.cfs_period_us", cat(*cpu.period)});
  if (cpu.quota.value_or(0) != 0) out.push_back({"cpu", "cpu.cfs_quota_us", cat(*cpu.quota)});
  if (!cpu.cpus.empty()) out.push_back({"cpuset", "cpuset.cpus", cpu.cpus});
  if (!cpu.mems.empty()) out.push_back({"cpuset", "cpuset.mems", cpu.mems});
}

void add_throttle_v1(std::vector<Setting>& out, const std::vector<oci::ThrottleDevice>& devices,
                     const std::string& file) {
  for (const oci::ThrottleDevice& device : devices) {
    out.push_back({"blkio", file, cat(device_number(device.major, device.minor), ' ', device.rate)});
  }
}

void add_block_io_v1(std::vector<Setting>& out, const oci::BlockIoLimits& io) {
  // BFQ's files where that scheduler is; CFQ's are gone since Linux 5.0.
  if (io.weight.value_or(0) != 0) out.push_back({"blkio", "blkio.bfq.weight", cat(*io.weight), true});
  if (io.leaf_weight.value_or(0) != 0) out.push_back({"blkio", "blkio.leaf_weight", cat(*io.leaf_weight), true});
  for (const oci::WeightDevice& device : io.weight_device) {
    if (!device.weight) continue;
    out.push_back({"blkio", "blkio.bfq.weight_device",
                   cat(device_number(device.major, device.minor), ' ', *device.weight), true});
  }
  add_throttle_v1(out, io.read_bps, "blkio.throttle.read_bps_device");
  add_throttle_v1(out, io.write_bps, "blkio.throttle.write_bps_device");
  add_throttle_v1(out, io.read_iops, "blkio.throttle.read_iops_device");
  add_throttle_v1(out, io.write_iops, "blkio.throttle.write_iops_device");
}

std::string limit_or_max(std::int64_t value) { return value < 0 ? "max" : cat(value); }

void add_memory_v2(std::vector<Setting>& out, const oci::MemoryLimits& memory) {
  const std::int64_t limit = memory.limit.value_or(0);
  if (memory.swap && *memory.swap != 0) {
    // v2 counts swap alone, Docker's value is memory plus swap.
    if (*memory.swap > 0 && limit > *memory.swap) throw invalid("memory+swap limit should be >= memory limit");
    const std::int64_t swap = *memory.swap < 0 ? -1 : *memory.swap - std::max<std::int64_t>(limit, 0);
    out.push_back({"", "memory.swap.max", limit_or_max(swap), true});
  }
  if (limit != 0) out.push_back({"", "memory.max", limit_or_max(limit)});
  if (memory.reservation.value_or(0) != 0) out.push_back({"", "memory.low", limit_or_max(*memory.reservation)});
}

void add_cpu_v2(std::vector<Setting>& out, const oci::CpuLimits& cpu) {
  if (cpu.realtime_runtime.value_or(0) != 0) throw invalid("cgroup v2 has no real-time CPU budget");
  if (cpu.shares.value_or(0) != 0) out.push_back({"", "cpu.weight", cat(weight_of_shares(*cpu.shares))});
  if (cpu.quota.value_or(0) != 0 || cpu.period.value_or(0) != 0) {
    const std::int64_t quota = cpu.quota.value_or(0);
    const std::uint64_t period = cpu.period.value_or(0) != 0 ? *cpu.period : 100000;
    out.push_back({"", "cpu.max", cat(quota > 0 ? cat(quota) : std::string{"max"}, ' ', period)});
  }
  if (!cpu.cpus.empty()) out.push_back({"", "cpuset.cpus", cpu.cpus});
  if (!cpu.mems.empty()) out.push_back({"", "cpuset.mems", cpu.mems});
}

void add_throttle_v2(std::vector<Setting>& out, const std::vector<oci::ThrottleDevice>& devices, std::string_view key) {
  for (const oci::ThrottleDevice& device : devices) {
    out.push_back({"", "io.max", cat(device_number(device.major, device.minor), ' ', key, '=', device.rate)});
  }
}

void add_block_io_v2(std::vector<Setting>& out, const oci::BlockIoLimits& io) {
  // BFQ's file where that scheduler is, and the io controller's own one, which counts to 10000.
  if (io.weight.value_or(0) != 0) {
    out.push_back({"", "io.bfq.weight", cat(*io.weight), true});
    out.push_back({"", "io.weight", cat(weight_of_block_io(*io.weight)), true});
  }
  for (const oci::WeightDevice& device : io.weight_device) {
    if (!device.weight) continue;
    const std::string number = device_number(device.major, device.minor);
    out.push_back({"", "io.bfq.weight", cat(number, ' ', *device.weight), true});
    out.push_back({"", "io.weight", cat(number, ' ', weight_of_block_io(*device.weight)), true});
  }
  add_throttle_v2(out, io.read_bps, "rbps");
  add_throttle_v2(out, io.write_bps, "wbps");
  add_throttle_v2(out, io.read_iops, "riops");
  add_throttle_v2(out, io.write_iops, "wiops");
}

std::string pids_value(const oci::PidsLimits& pids) { return pids.limit > 0 ? cat(pids.limit) : "max"; }

/// A rule "deny everything" or "allow everything", and nothing after it that would differ.
bool allows_everything(const std::vector<oci::DeviceRule>& rules) {
  const oci::DeviceRule& last = rules.back();
  return last.allow && (last.type.empty() || last.type == "a");
}

}  // namespace

std::uint64_t weight_of_shares(std::uint64_t shares) {
  const std::uint64_t bounded = std::clamp<std::uint64_t>(shares, 2, 262144);
  return 1 + ((bounded - 2) * 9999) / 262142;
}

std::uint64_t weight_of_block_io(std::uint64_t weight) {
  const std::uint64_t bounded = std::clamp<std::uint64_t>(weight, 10, 1000);
  return 1 + ((bounded - 10) * 9999) / 990;
}

std::vector<Setting> settings_v1(const oci::Resources& resources) {
  std::vector<Setting> out;
  // A new group inherits its parent's list, which is "everything" at the top: nothing to write for --privileged.
  if (!resources.devices.empty() && allows_everything(resources.devices)) {
    out.push_back({"devices", "devices.allow", "a"});
  } else {
    for (const oci::DeviceRule& rule : resources.devices) {
      out.push_back({"devices", rule.allow ? "devices.allow" : "devices.deny", device_rule(rule)});
    }
  }
  if (resources.memory) add_memory_v1(out, *resources.memory);
  if (resources.cpu) add_cpu_v1(out, *resources.cpu);
  if (resources.pids) out.push_back({"pids", "pids.max", pids_value(*resources.pids)});
  if (resources.block_io) add_block_io_v1(out, *resources.block_io);
  return out;
}

std::vector<Setting> settings_v2(const oci::Resources& resources) {
  std::vector<Setting> out;
  if (resources.memory) add_memory_v2(out, *resources.memory);
  if (resources.cpu) add_cpu_v2(out, *resources.cpu);
  if (resources.pids) out.push_back({"", "pids.max", pids_value(*resources.pids)});
  if (resources.block_io) add_block_io_v2(out, *resources.block_io);
  for (const auto& [file, value] : resources.unified) {
    if (file.find('/') != std::string::npos)
      throw invalid(cat("unified resource ", quoted(file), " must be a file name"));
    out.push_back({"", file, value});
  }
  return out;
}

}  // namespace berth::runtime::cgroups
