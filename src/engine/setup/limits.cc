#include <sys/sysmacros.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "engine/setup/parts.h"

namespace berth::engine::setup {

namespace {

constexpr std::int64_t kMinimumMemory = 6 << 20;

using Warnings = std::vector<std::string>;

void check_memory(container::Resources& r, const HostFeatures& host, bool update, Warnings& warnings) {
  if (r.memory_swappiness == -1) r.memory_swappiness.reset();  // old clients' "not set"
  if (r.memory != 0 && r.memory < kMinimumMemory) throw invalid("Minimum memory limit allowed is 6MB");
  if (r.memory > 0 && !host.memory_limit) {
    warnings.emplace_back(
        "Your kernel does not support memory limit capabilities or the cgroup is not mounted. "
        "Limitation discarded.");
    r.memory = 0;
    r.memory_swap = -1;
  }
  if (r.memory > 0 && r.memory_swap != -1 && !host.swap_limit) {
    warnings.emplace_back(
        "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
        "Memory limited without swap.");
    r.memory_swap = -1;
  }
  if (r.memory > 0 && r.memory_swap > 0 && r.memory_swap < r.memory) {
    throw invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
  }
  if (r.memory == 0 && r.memory_swap > 0 && !update) {
    throw invalid("You should always set the Memory limit when using Memoryswap limit, see usage");
  }
  if (r.memory_swappiness && !host.memory_swappiness) {
    warnings.emplace_back(
        "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. "
        "Memory swappiness discarded.");
    r.memory_swappiness.reset();
  }
  if (r.memory_swappiness && (*r.memory_swappiness < 0 || *r.memory_swappiness > 100)) {
    throw invalid(cat("Invalid value: ", *r.memory_swappiness, ", valid memory swappiness range is 0-100"));
  }
}

void check_reservation_and_oom(container::Resources& r, const HostFeatures& host, Warnings& warnings) {
  if (r.memory_reservation > 0 && !host.memory_reservation) {
    warnings.emplace_back(
        "Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. "
        "Limitation discarded.");
    r.memory_reservation = 0;
  }
  if (r.memory_reservation > 0 && r.memory_reservation < kMinimumMemory) {
    throw invalid("Minimum memory reservation allowed is 6MB");
  }
  if (r.memory > 0 && r.memory_reservation > 0 && r.memory < r.memory_reservation) {
    throw invalid("Minimum memory limit can not be less than memory reservation limit, see usage");
  }
  if (r.oom_kill_disable && !host.oom_kill_disable) {
    if (*r.oom_kill_disable) {
      warnings.emplace_back("Your kernel does not support OomKillDisable. OomKillDisable discarded.");
    }
    r.oom_kill_disable.reset();
  }
  if (r.oom_kill_disable.value_or(false) && r.memory == 0) {
    warnings.emplace_back(
        "OOM killer is disabled for the container, but no memory limit is set, this can result in "
        "the system running out of resources.");
  }
  if (r.pids_limit && !host.pids_limit) {
    if (*r.pids_limit > 0) {
      warnings.emplace_back(
          "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. "
          "PIDs limit discarded.");
    }
    r.pids_limit.reset();
  }
}

void check_cpu(container::Resources& r, const HostFeatures& host, Warnings& warnings) {
  if (r.nano_cpus > 0 && r.cpu_period > 0) {
    throw invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
  }
  if (r.nano_cpus > 0 && r.cpu_quota > 0) {
    throw invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
  }
  if (r.nano_cpus > 0 && !host.cpu_cfs) {
    throw invalid(
        "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not "
        "mounted");
  }
  if (r.nano_cpus < 0 || r.nano_cpus > std::int64_t{host.cpu_count} * 1'000'000'000) {
    throw invalid(cat("range of CPUs is from 0.01 to ", host.cpu_count, ".00, as there are only ", host.cpu_count,
                      " CPUs available"));
  }
  if (r.cpu_shares > 0 && !host.cpu_shares) {
    warnings.emplace_back("Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.");
    r.cpu_shares = 0;
  }
  if (r.cpu_shares < 0) {
    throw invalid(cat("invalid CPU shares (", r.cpu_shares, "): value must be a positive integer"));
  }
  if ((r.cpu_period != 0 || r.cpu_quota != 0) && !host.cpu_cfs) {
    warnings.emplace_back("Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.");
    r.cpu_period = r.cpu_quota = 0;
  }
  if (r.cpu_period != 0 && (r.cpu_period < 1000 || r.cpu_period > 1'000'000)) {
    throw invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  }
  if (r.cpu_quota > 0 && r.cpu_quota < 1000) throw invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  if ((r.cpu_realtime_period != 0 || r.cpu_realtime_runtime != 0) && !host.cpu_realtime) {
    throw invalid("kernel does not support CPU real-time scheduler");
  }
  if (r.cpu_realtime_period != 0 && r.cpu_realtime_runtime > r.cpu_realtime_period) {
    throw invalid("cpu real-time runtime cannot be higher than cpu real-time period");
  }
  if (r.cpu_percent > 0) {
    warnings.emplace_back("linux does not support CPU percent. Percent discarded.");
    r.cpu_percent = 0;
  }
}

/// "0-2,4" to its numbers; nullopt for anything else.
std::optional<std::set<int>> parse_cpu_list(std::string_view text) {
  std::set<int> numbers;
  for (const std::string& part : split(text, ',')) {
    const std::size_t dash = part.find('-');
    const auto first = parse_number<std::uint16_t>(std::string_view{part}.substr(0, dash));
    const auto last =
        dash == std::string::npos ? first : parse_number<std::uint16_t>(std::string_view{part}.substr(dash + 1));
    if (!first || !last || *first > *last || *last > 8191) return std::nullopt;
    for (int number = *first; number <= *last; ++number) numbers.insert(number);
  }
  return numbers;
}

void check_cpu_list(const std::string& wanted, const std::string& available, std::string_view option,
                    std::string_view what) {
  if (wanted.empty()) return;
  const auto numbers = parse_cpu_list(wanted);
  if (!numbers) throw invalid(cat("Invalid value ", wanted, " for ", option, ": invalid format: ", wanted));
  const auto there = available.empty() ? std::nullopt : parse_cpu_list(available);
  if (there && !std::ranges::includes(*there, *numbers)) {
    throw invalid(cat("Requested ", what, " are not available - requested ", wanted, ", available: ", available));
  }
}

void check_cpuset(container::Resources& r, const HostFeatures& host, Warnings& warnings) {
  if ((!r.cpuset_cpus.empty() || !r.cpuset_mems.empty()) && !host.cpuset) {
    warnings.emplace_back("Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.");
    r.cpuset_cpus.clear();
    r.cpuset_mems.clear();
  }
  check_cpu_list(r.cpuset_cpus, host.cpus, "cpuset cpus", "CPUs");
  check_cpu_list(r.cpuset_mems, host.mems, "cpuset mems", "memory nodes");
}

void check_block_io(container::Resources& r, const HostFeatures& host, Warnings& warnings) {
  if (r.blkio_weight > 0 && !host.blkio_weight) {
    warnings.emplace_back(
        "Your kernel does not support Block I/O weight or the cgroup is not mounted. "
        "Weight discarded.");
    r.blkio_weight = 0;
  }
  if (r.blkio_weight > 0 && (r.blkio_weight < 10 || r.blkio_weight > 1000)) {
    throw invalid("Range of blkio weight is from 10 to 1000");
  }
  if (r.io_maximum_bandwidth != 0 || r.io_maximum_iops != 0) {
    throw invalid("Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps");
  }
  if (!r.blkio_weight_device.empty() && !host.blkio_weight_device) {
    warnings.emplace_back(
        "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. "
        "Weight-device discarded.");
    r.blkio_weight_device.clear();
  }
  const auto drop = [&](std::vector<container::ThrottleDevice>& list, std::string_view what,
                        std::string_view short_what) {
    if (list.empty() || host.blkio_throttle) return;
    warnings.push_back(cat("Your kernel does not support ", what, " limit or the cgroup is not mounted. Block I/O ",
                           short_what, " limit discarded."));
    list.clear();
  };
  drop(r.blkio_device_read_bps, "BPS Block I/O read", "BPS read");
  drop(r.blkio_device_write_bps, "BPS Block I/O write", "BPS write");
  drop(r.blkio_device_read_iops, "IOPS Block read", "IOPS read");
  drop(r.blkio_device_write_iops, "IOPS Block write", "IOPS write");
}

std::pair<std::int64_t, std::int64_t> device_numbers(const std::string& path) {
  const std::optional<struct stat> status = sys::stat_if_exists(path);
  if (!status) throw system_error(cat("stat ", path, ": no such file or directory"));
  return {static_cast<std::int64_t>(major(status->st_rdev)), static_cast<std::int64_t>(minor(status->st_rdev))};
}

std::vector<oci::ThrottleDevice> throttles_of(const std::vector<container::ThrottleDevice>& devices) {
  std::vector<oci::ThrottleDevice> out;
  for (const container::ThrottleDevice& device : devices) {
    const auto [major_number, minor_number] = device_numbers(device.path);
    out.push_back({.major = major_number, .minor = minor_number, .rate = device.rate});
  }
  return out;
}

std::optional<oci::MemoryLimits> memory_of(const container::Resources& r) {
  oci::MemoryLimits memory;
  if (r.memory > 0) memory.limit = r.memory;
  if (r.memory_reservation > 0) memory.reservation = r.memory_reservation;
  // -1 is passed on where there is a limit, so that an update can lift an older swap ceiling.
  if (r.memory_swap > 0 || (r.memory_swap == -1 && r.memory > 0)) memory.swap = r.memory_swap;
  if (r.memory_swappiness) memory.swappiness = static_cast<std::uint64_t>(*r.memory_swappiness);
  if (r.oom_kill_disable.value_or(false)) memory.disable_oom_killer = true;
  const bool any = memory.limit || memory.reservation || memory.swap || memory.swappiness || memory.disable_oom_killer;
  return any ? std::optional{memory} : std::nullopt;
}

std::optional<oci::CpuLimits> cpu_of(const container::Resources& r) {
  constexpr std::int64_t kPeriod = 100'000;  // microseconds
  oci::CpuLimits cpu;
  if (r.cpu_shares > 0) cpu.shares = static_cast<std::uint64_t>(r.cpu_shares);
  if (r.nano_cpus > 0) {
    cpu.period = kPeriod;
    cpu.quota = r.nano_cpus / 1000 * kPeriod / 1'000'000;
  }
  if (r.cpu_period > 0) cpu.period = static_cast<std::uint64_t>(r.cpu_period);
  if (r.cpu_quota != 0) cpu.quota = r.cpu_quota;
  if (r.cpu_realtime_period > 0) cpu.realtime_period = static_cast<std::uint64_t>(r.cpu_realtime_period);
  if (r.cpu_realtime_runtime != 0) cpu.realtime_runtime = r.cpu_realtime_runtime;
  cpu.cpus = r.cpuset_cpus;
  cpu.mems = r.cpuset_mems;
  const bool any = cpu.shares || cpu.period || cpu.quota || cpu.realtime_period || cpu.realtime_runtime ||
                   !cpu.cpus.empty() || !cpu.mems.empty();
  return any ? std::optional{cpu} : std::nullopt;
}

std::optional<oci::BlockIoLimits> block_io_of(const container::Resources& r) {
  oci::BlockIoLimits block;
  if (r.blkio_weight != 0) block.weight = r.blkio_weight;
  for (const container::WeightDevice& device : r.blkio_weight_device) {
    const auto [major_number, minor_number] = device_numbers(device.path);
    block.weight_device.push_back(
        {.major = major_number, .minor = minor_number, .weight = device.weight, .leaf_weight = {}});
  }
  block.read_bps = throttles_of(r.blkio_device_read_bps);
  block.write_bps = throttles_of(r.blkio_device_write_bps);
  block.read_iops = throttles_of(r.blkio_device_read_iops);
  block.write_iops = throttles_of(r.blkio_device_write_iops);
  const bool any = block.weight || !block.weight_device.empty() || !block.read_bps.empty() ||
                   !block.write_bps.empty() || !block.read_iops.empty() || !block.write_iops.empty();
  return any ? std::optional{block} : std::nullopt;
}

}  // namespace

void check_resources(container::Resources& resources, const HostFeatures& host, bool update,
                     std::vector<std::string>& warnings) {
  check_memory(resources, host, update, warnings);
  check_reservation_and_oom(resources, host, warnings);
  check_cpu(resources, host, warnings);
  check_cpuset(resources, host, warnings);
  check_block_io(resources, host, warnings);
  // At creation 0 and -1 are words for none; in an update they lift an older limit.
  if (!update && resources.pids_limit && *resources.pids_limit <= 0) resources.pids_limit.reset();
}

oci::Resources resources_of(const container::Resources& resources) {
  oci::Resources out;
  out.memory = memory_of(resources);
  out.cpu = cpu_of(resources);
  if (resources.pids_limit) out.pids = {.limit = *resources.pids_limit <= 0 ? -1 : *resources.pids_limit};
  out.block_io = block_io_of(resources);
  return out;
}

void check_ulimits(const std::vector<container::Ulimit>& ulimits) {
  static const std::set<std::string_view> kNames{"core",    "cpu",      "data",   "fsize",      "locks",
                                                 "memlock", "msgqueue", "nice",   "nofile",     "nproc",
                                                 "rss",     "rtprio",   "rttime", "sigpending", "stack"};
  for (const container::Ulimit& ulimit : ulimits) {
    if (!kNames.contains(ulimit.name)) throw invalid(cat("invalid ulimit type: ", ulimit.name));
    if (ulimit.hard != -1 && (ulimit.soft > ulimit.hard || ulimit.soft == -1)) {
      throw invalid(
          cat("ulimit soft limit must be less than or equal to hard limit: ", ulimit.soft, " > ", ulimit.hard));
    }
  }
}

std::vector<oci::Rlimit> rlimits_of(const std::vector<container::Ulimit>& ulimits) {
  std::vector<oci::Rlimit> out;
  for (const container::Ulimit& ulimit : ulimits) {
    std::string type = "RLIMIT_";
    for (const char c : ulimit.name) type += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    // -1 becomes RLIM_INFINITY
    out.push_back({.type = std::move(type),
                   .hard = static_cast<std::uint64_t>(ulimit.hard),
                   .soft = static_cast<std::uint64_t>(ulimit.soft)});
  }
  return out;
}

}  // namespace berth::engine::setup

namespace berth::engine {

void check_update(container::Resources& resources, const SetupDefaults& defaults, std::vector<std::string>& warnings) {
  setup::check_resources(resources, defaults.host, true, warnings);
  setup::check_ulimits(resources.ulimits);
}

oci::Resources limits_of(const container::Resources& resources) { return setup::resources_of(resources); }

}  // namespace berth::engine
