#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/time.h"
#include "base/json/json.h"
#include "network/network.h"
#include "runtime/cgroups/stats.h"

/// What GET /containers/{id}/stats shows. Spec: docker-engine-api-v1.51.yaml, ContainerStatsResponse; absent and null
/// members are those of dockerd on cgroup v1 and v2. Pure: a sample in, plain structs out.
namespace berth::engine {

/// The host's side of a sample.
struct HostUsage {
  std::uint64_t cpu_ns = 0;  ///< of all processors since boot, idle time included
  std::uint32_t online_cpus = 0;
  std::uint64_t memory_bytes = 0;  ///< what the machine has
};
/// Reads /proc/stat and asks for the memory.
HostUsage read_host_usage();
HostUsage parse_proc_stat(std::string_view text, std::uint64_t ticks_per_second);  ///< without memory_bytes

/// One look at a running container.
struct StatsSample {
  Time read = kNever;
  HostUsage host;
  runtime::cgroups::Stats used;
  std::vector<network::Traffic> interfaces;  ///< eth0, eth1, …
};

struct CpuUsageView {
  std::uint64_t total_usage = 0;
  std::vector<std::uint64_t> percpu_usage;
  std::uint64_t usage_in_kernelmode = 0, usage_in_usermode = 0;
  static void describe(auto& self, auto&& field) {
    field("total_usage", self.total_usage);
    field("percpu_usage", self.percpu_usage, json::omit_empty);
    field("usage_in_kernelmode", self.usage_in_kernelmode);
    field("usage_in_usermode", self.usage_in_usermode);
  }
};

struct ThrottlingView {
  std::uint64_t periods = 0, throttled_periods = 0, throttled_time = 0;
  static void describe(auto& self, auto&& field) {
    field("periods", self.periods);
    field("throttled_periods", self.throttled_periods);
    field("throttled_time", self.throttled_time);
  }
};

struct CpuStatsView {
  CpuUsageView cpu_usage;
  std::uint64_t system_cpu_usage = 0;
  std::uint32_t online_cpus = 0;
  ThrottlingView throttling_data;
  static void describe(auto& self, auto&& field) {
    field("cpu_usage", self.cpu_usage);
    field("system_cpu_usage", self.system_cpu_usage, json::omit_empty);
    field("online_cpus", self.online_cpus, json::omit_empty);
    field("throttling_data", self.throttling_data);
  }
};

/// The members of memory_stats.stats: names and numbers that stand beside each other.
struct MemoryDetailsView {
  std::span<const std::string_view> names;
  std::vector<std::uint64_t> values;
  bool empty() const { return values.empty(); }
  static void write_json(std::string& out, const MemoryDetailsView& value);
};

struct MemoryStatsView {
  std::uint64_t usage = 0, max_usage = 0;
  MemoryDetailsView stats;
  std::uint64_t failcnt = 0, limit = 0;
  static void describe(auto& self, auto&& field) {
    field("usage", self.usage, json::omit_empty);
    field("max_usage", self.max_usage, json::omit_empty);
    field("stats", self.stats, json::omit_empty);
    field("failcnt", self.failcnt, json::omit_empty);
    field("limit", self.limit, json::omit_empty);
  }
};

struct PidsStatsView {
  std::uint64_t current = 0, limit = 0;
  static void describe(auto& self, auto&& field) {
    field("current", self.current, json::omit_empty);
    field("limit", self.limit, json::omit_empty);
  }
};

struct BlockIoEntryView {
  std::uint64_t major = 0, minor = 0;
  std::string op;
  std::uint64_t value = 0;
  static void describe(auto& self, auto&& field) {
    field("major", self.major);
    field("minor", self.minor);
    field("op", self.op);
    field("value", self.value);
  }
};

/// A list, or null: with v2 all but the first are null, with v1 none is.
using BlockIoList = std::optional<std::vector<BlockIoEntryView>>;

struct BlockIoView {
  BlockIoList service_bytes, serviced, queue, service_time, wait_time, merged, time, sectors;
  static void describe(auto& self, auto&& field) {
    field("io_service_bytes_recursive", self.service_bytes);
    field("io_serviced_recursive", self.serviced);
    field("io_queue_recursive", self.queue);
    field("io_service_time_recursive", self.service_time);
    field("io_wait_time_recursive", self.wait_time);
    field("io_merged_recursive", self.merged);
    field("io_time_recursive", self.time);
    field("sectors_recursive", self.sectors);
  }
};

struct TrafficView : network::Traffic {
  static void describe(auto& self, auto&& field) {
    field("rx_bytes", self.rx_bytes);
    field("rx_packets", self.rx_packets);
    field("rx_errors", self.rx_errors);
    field("rx_dropped", self.rx_dropped);
    field("tx_bytes", self.tx_bytes);
    field("tx_packets", self.tx_packets);
    field("tx_errors", self.tx_errors);
    field("tx_dropped", self.tx_dropped);
  }
};

struct StatsView {
  std::string name, id;
  Time read = kNever, preread = kNever;
  PidsStatsView pids_stats;
  BlockIoView blkio_stats;
  std::uint32_t num_procs = 0;  ///< Windows only
  json::Empty storage_stats;    ///< likewise
  CpuStatsView cpu_stats, precpu_stats;
  MemoryStatsView memory_stats;
  std::map<std::string, TrafficView> networks;
  static void describe(auto& self, auto&& field) {
    field("name", self.name);
    field("id", self.id);
    field("read", format_time(self.read));
    field("preread", format_time(self.preread));
    field("pids_stats", self.pids_stats);
    field("blkio_stats", self.blkio_stats);
    field("num_procs", self.num_procs);
    field("storage_stats", self.storage_stats);
    field("cpu_stats", self.cpu_stats);
    field("precpu_stats", self.precpu_stats);
    field("memory_stats", self.memory_stats);
    field("networks", self.networks, json::omit_empty);
  }
};

/// Without a sample (the container does not run) everything but name and ID is zero, as with dockerd; without an
/// earlier one precpu_stats is.
StatsView make_stats(std::string name, std::string id, const StatsSample* sample, const StatsSample* before);

}  // namespace berth::engine
