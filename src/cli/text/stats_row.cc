#include "cli/text/stats_row.h"

#include <cstdio>

#include "base/core/text.h"
#include "cli/text/container_row.h"
#include "cli/text/units.h"

namespace berth::cli {

namespace {

/// Page cache that could be dropped at once doesn't count as used. v1 and v2 call it by other names.
double memory_of(const Json& memory) {
  const double usage = double_at(memory, "usage");
  const Json& details = at(memory, "stats");
  for (const char* name : {"total_inactive_file", "inactive_file"}) {
    if (find_at(details, name) == nullptr) continue;
    const double cache = double_at(details, name);
    return cache < usage ? usage - cache : usage;
  }
  return usage;
}

double cpu_percent_of(const Json& stats) {
  const Json &now = at(stats, "cpu_stats"), &before = at(stats, "precpu_stats");
  const double used =
      double_at(at(now, "cpu_usage"), "total_usage") - double_at(at(before, "cpu_usage"), "total_usage");
  const double available = double_at(now, "system_cpu_usage") - double_at(before, "system_cpu_usage");
  double processors = double_at(now, "online_cpus");
  if (processors == 0) processors = static_cast<double>(array_at(at(now, "cpu_usage"), "percpu_usage").size());
  return used > 0 && available > 0 ? used / available * processors * 100 : 0;
}

std::string percent(double value) {
  char text[32];
  const int size = std::snprintf(text, sizeof text, "%.2f%%", value);
  return {text, static_cast<std::size_t>(size)};
}

std::string pair_of(double first, double second) { return cat(human_size(first, 3), " / ", human_size(second, 3)); }

}  // namespace

Usage usage_of(const Json& stats) {
  const Json& memory = at(stats, "memory_stats");
  Usage usage{.name = text_at(stats, "name"),
              .id = text_at(stats, "id"),
              .cpu_percent = cpu_percent_of(stats),
              .memory = memory_of(memory),
              .memory_limit = double_at(memory, "limit"),
              .processes = static_cast<std::uint64_t>(number_at(at(stats, "pids_stats"), "current"))};
  for (const auto& network : object_at(stats, "networks")) {
    usage.net_received += double_at(network.value(), "rx_bytes");
    usage.net_sent += double_at(network.value(), "tx_bytes");
  }
  for (const Json& entry : array_at(at(stats, "blkio_stats"), "io_service_bytes_recursive")) {
    const std::string operation = to_lower(text_at(entry, "op"));
    if (operation.starts_with('r')) usage.block_read += double_at(entry, "value");
    if (operation.starts_with('w')) usage.block_written += double_at(entry, "value");
  }
  return usage;
}

ListFormat stats_list_format() {
  return {.type_name = "*container.statsContext",
          .headings = {{"Container", "CONTAINER"},
                       {"Name", "NAME"},
                       {"ID", "CONTAINER ID"},
                       {"CPUPerc", "CPU %"},
                       {"MemUsage", "MEM USAGE / LIMIT"},
                       {"MemPerc", "MEM %"},
                       {"NetIO", "NET I/O"},
                       {"BlockIO", "BLOCK I/O"},
                       {"PIDs", "PIDS"}},
          .default_table =
              "table {{.ID}}\\t{{.Name}}\\t{{.CPUPerc}}\\t{{.MemUsage}}\\t{{.MemPerc}}\\t{{.NetIO}}\\t"
              "{{.BlockIO}}\\t{{.PIDs}}"};
}

Row stats_row(const std::string& container, const std::optional<Usage>& usage, bool no_trunc) {
  Row row{"*container.statsContext"};
  row.set("Container", container);
  if (!usage) {
    for (const char* name : {"Name", "CPUPerc", "MemPerc", "NetIO", "BlockIO", "PIDs"}) row.set(name, "--");
    row.set("MemUsage", "-- / --").set("ID", no_trunc ? container : short_id(container));
    return row;
  }
  const double share = usage->memory_limit > 0 ? usage->memory / usage->memory_limit * 100 : 0;
  row.set("Name", usage->name.size() > 1 ? usage->name.substr(1) : "--")
      .set("ID", no_trunc ? usage->id : short_id(usage->id))
      .set("CPUPerc", percent(usage->cpu_percent))
      .set("MemUsage", cat(binary_size(usage->memory), " / ", binary_size(usage->memory_limit)))
      .set("MemPerc", percent(share))
      .set("NetIO", pair_of(usage->net_received, usage->net_sent))
      .set("BlockIO", pair_of(usage->block_read, usage->block_written))
      .set("PIDs", cat(usage->processes));
  return row;
}

}  // namespace berth::cli
