#include "engine/stats/views.h"

#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::engine {

namespace {

CpuStatsView cpu_view(const StatsSample& sample) {
  CpuStatsView view{.cpu_usage = {},
                    .system_cpu_usage = sample.host.cpu_ns,
                    .online_cpus = sample.host.online_cpus,
                    .throttling_data = {}};
  if (!sample.used.cpu) return view;
  const runtime::cgroups::CpuStats& cpu = *sample.used.cpu;
  view.cpu_usage = {.total_usage = cpu.usage_ns,
                    .percpu_usage = cpu.per_cpu_ns,
                    .usage_in_kernelmode = cpu.system_ns,
                    .usage_in_usermode = cpu.user_ns};
  view.throttling_data = {
      .periods = cpu.periods, .throttled_periods = cpu.throttled_periods, .throttled_time = cpu.throttled_ns};
  return view;
}

MemoryStatsView memory_view(const StatsSample& sample) {
  if (!sample.used.memory) return {};
  const runtime::cgroups::MemoryStats& memory = *sample.used.memory;
  return {.usage = memory.usage,
          .max_usage = memory.max_usage,
          .stats = {.names = runtime::cgroups::memory_details(sample.used.v2), .values = memory.details},
          .failcnt = memory.failures,
          .limit = std::min(memory.limit, sample.host.memory_bytes)};  // without a limit: what there is
}

BlockIoList list_of(const std::vector<runtime::cgroups::BlockIoEntry>& entries) {
  BlockIoList list{std::in_place};
  for (const runtime::cgroups::BlockIoEntry& entry : entries) {
    list->push_back({.major = entry.major, .minor = entry.minor, .op = entry.operation, .value = entry.value});
  }
  return list;
}

BlockIoView block_io_view(const StatsSample& sample) {
  BlockIoView view;
  view.service_bytes = list_of(sample.used.io_service_bytes);
  if (sample.used.v2) {
    if (view.service_bytes->empty()) view.service_bytes.reset();
    return view;
  }
  view.serviced = list_of(sample.used.io_serviced);
  // The rest was the CFQ scheduler's, which Linux 5.0 has dropped; dockerd shows empty lists.
  for (BlockIoList* list :
       {&view.queue, &view.service_time, &view.wait_time, &view.merged, &view.time, &view.sectors}) {
    list->emplace();
  }
  return view;
}

}  // namespace

void MemoryDetailsView::write_json(std::string& out, const MemoryDetailsView& value) {
  out += '{';
  for (std::size_t i = 0; i < value.values.size(); ++i) {
    if (i > 0) out += ',';
    out += '"';
    out += value.names[i];
    out += "\":";
    append(out, value.values[i]);
  }
  out += '}';
}

HostUsage parse_proc_stat(std::string_view text, std::uint64_t ticks_per_second) {
  HostUsage usage;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const std::string_view line = text.substr(0, end);
    if (!line.starts_with("cpu")) break;  // they come first
    text.remove_prefix(end + 1);
    if (!line.starts_with("cpu ")) {
      ++usage.online_cpus;
      continue;
    }
    std::uint64_t ticks = 0;
    std::size_t count = 0;
    // user, nice, system, idle, iowait, irq, softirq: those that dockerd adds up.
    for (const std::string& word : split(line.substr(4), ' ')) {
      if (word.empty()) continue;
      if (++count > 7) break;
      ticks += parse_number<std::uint64_t>(word).value_or(0);
    }
    usage.cpu_ns = ticks * (1'000'000'000 / ticks_per_second);
  }
  return usage;
}

HostUsage read_host_usage() {
  HostUsage usage = parse_proc_stat(sys::read_file("/proc/stat"), static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
  struct sysinfo info{};
  ::sysinfo(&info);
  usage.memory_bytes = std::uint64_t{info.totalram} * info.mem_unit;
  return usage;
}

StatsView make_stats(std::string name, std::string id, const StatsSample* sample, const StatsSample* before) {
  StatsView view;
  view.name = std::move(name);
  view.id = std::move(id);
  if (sample == nullptr) return view;
  view.read = sample->read;
  if (sample->used.pids) view.pids_stats = {.current = sample->used.pids->current, .limit = sample->used.pids->limit};
  view.blkio_stats = block_io_view(*sample);
  view.cpu_stats = cpu_view(*sample);
  view.memory_stats = memory_view(*sample);
  for (std::size_t i = 0; i < sample->interfaces.size(); ++i) view.networks[cat("eth", i)] = {sample->interfaces[i]};
  if (before != nullptr) {
    view.preread = before->read;
    view.precpu_stats = cpu_view(*before);
  }
  return view;
}

}  // namespace berth::engine
