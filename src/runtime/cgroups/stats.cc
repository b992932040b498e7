#include "runtime/cgroups/stats.h"

#include <unistd.h>

#include <algorithm>
#include <limits>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::runtime::cgroups {
namespace {

std::string get(const std::string& folder, std::string_view file) {
  if (folder.empty()) return "";
  try {
    return sys::read_file_if_exists(cat(folder, '/', file)).value_or("");
  } catch (const Error&) {
    return "";  // ended meanwhile (ENODEV), or a file that this kernel answers with EOPNOTSUPP
  }
}

std::uint64_t number(std::string_view text) { return parse_number<std::uint64_t>(trim(text)).value_or(0); }

std::uint64_t limit_of(std::string_view text, std::uint64_t none) { return trim(text) == "max" ? none : number(text); }

std::uint64_t at(const std::map<std::string, std::uint64_t>& values, const std::string& key) {
  const auto found = values.find(key);
  return found == values.end() ? 0 : found->second;
}

CpuStats read_cpu_v1(const Cgroup& cgroup) {
  CpuStats stats;
  const std::string account = cgroup.folder("cpuacct");
  stats.usage_ns = number(get(account, "cpuacct.usage"));
  for (const std::string& each : split(trim(get(account, "cpuacct.usage_percpu")), ' ')) {
    if (!each.empty()) stats.per_cpu_ns.push_back(number(each));
  }
  const auto ticks = parse_flat(get(account, "cpuacct.stat"));
  const auto tick_ns = 1'000'000'000ULL / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  stats.user_ns = at(ticks, "user") * tick_ns;
  stats.system_ns = at(ticks, "system") * tick_ns;
  const auto throttling = parse_flat(get(cgroup.folder("cpu"), "cpu.stat"));
  stats.periods = at(throttling, "nr_periods");
  stats.throttled_periods = at(throttling, "nr_throttled");
  stats.throttled_ns = at(throttling, "throttled_time");
  return stats;
}

CpuStats read_cpu_v2(const std::string& folder) {
  const auto values = parse_flat(get(folder, "cpu.stat"));
  CpuStats stats;
  stats.usage_ns = at(values, "usage_usec") * 1000;
  stats.user_ns = at(values, "user_usec") * 1000;
  stats.system_ns = at(values, "system_usec") * 1000;
  stats.periods = at(values, "nr_periods");
  stats.throttled_periods = at(values, "nr_throttled");
  stats.throttled_ns = at(values, "throttled_usec") * 1000;
  return stats;
}

MemoryStats read_memory_v1(const std::string& folder) {
  MemoryStats stats;
  stats.usage = number(get(folder, "memory.usage_in_bytes"));
  stats.max_usage = number(get(folder, "memory.max_usage_in_bytes"));
  stats.limit = number(get(folder, "memory.limit_in_bytes"));
  stats.failures = number(get(folder, "memory.failcnt"));
  stats.details = parse_flat(get(folder, "memory.stat"));
  return stats;
}

MemoryStats read_memory_v2(const std::string& folder) {
  MemoryStats stats;
  stats.usage = number(get(folder, "memory.current"));
  stats.max_usage = number(get(folder, "memory.peak"));
  stats.limit = limit_of(get(folder, "memory.max"), std::numeric_limits<std::uint64_t>::max());
  stats.failures = at(parse_flat(get(folder, "memory.events")), "max");
  stats.details = parse_flat(get(folder, "memory.stat"));
  return stats;
}

std::optional<std::pair<std::uint64_t, std::uint64_t>> parse_device(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto major = parse_number<std::uint64_t>(text.substr(0, colon));
  const auto minor = parse_number<std::uint64_t>(text.substr(colon + 1));
  if (!major || !minor) return std::nullopt;
  return std::pair{*major, *minor};
}

}  // namespace

std::map<std::string, std::uint64_t> parse_flat(std::string_view text) {
  std::map<std::string, std::uint64_t> out;
  for (const std::string& line : split(text, '\n')) {
    const std::size_t space = line.find(' ');
    if (space == std::string::npos) continue;
    if (const auto value = parse_number<std::uint64_t>(std::string_view{line}.substr(space + 1))) {
      out.emplace(line.substr(0, space), *value);
    }
  }
  return out;
}

std::vector<BlockIoEntry> parse_blkio(std::string_view text) {
  std::vector<BlockIoEntry> out;
  for (const std::string& line : split(text, '\n')) {
    const std::vector<std::string> words = split(line, ' ');
    const auto device = parse_device(words[0]);
    if (!device || words.size() != 3) continue;  // "Total 5"
    out.push_back({device->first, device->second, words[1], number(words[2])});
  }
  return out;
}

std::vector<BlockIoEntry> parse_io_stat(std::string_view text, bool operations) {
  std::vector<BlockIoEntry> out;
  for (const std::string& line : split(text, '\n')) {
    const std::vector<std::string> words = split(line, ' ');
    const auto device = parse_device(words[0]);
    if (!device) continue;
    for (const std::string& word : words) {
      const std::size_t equals = word.find('=');
      if (equals == std::string::npos) continue;
      const std::string key = word.substr(0, equals);
      const std::string_view value = std::string_view{word}.substr(equals + 1);
      if (key == (operations ? "rios" : "rbytes"))
        out.push_back({device->first, device->second, "read", number(value)});
      if (key == (operations ? "wios" : "wbytes"))
        out.push_back({device->first, device->second, "write", number(value)});
    }
  }
  return out;
}

Stats read_stats(const Cgroup& cgroup) {
  Stats stats;
  if (cgroup.tree().unified()) {
    const std::string folder = cgroup.folder("");
    stats.cpu = read_cpu_v2(folder);
    stats.memory = read_memory_v2(folder);
    stats.pids = PidsStats{number(get(folder, "pids.current")), limit_of(get(folder, "pids.max"), 0)};
    const std::string io = get(folder, "io.stat");
    stats.io_service_bytes = parse_io_stat(io, false);
    stats.io_serviced = parse_io_stat(io, true);
    return stats;
  }
  if (!cgroup.folder("cpuacct").empty()) stats.cpu = read_cpu_v1(cgroup);
  if (const std::string folder = cgroup.folder("memory"); !folder.empty()) stats.memory = read_memory_v1(folder);
  if (const std::string folder = cgroup.folder("pids"); !folder.empty()) {
    stats.pids = PidsStats{number(get(folder, "pids.current")), limit_of(get(folder, "pids.max"), 0)};
  }
  const std::string io = cgroup.folder("blkio");
  stats.io_service_bytes = parse_blkio(get(io, "blkio.throttle.io_service_bytes_recursive"));
  stats.io_serviced = parse_blkio(get(io, "blkio.throttle.io_serviced_recursive"));
  return stats;
}

}  // namespace berth::runtime::cgroups
