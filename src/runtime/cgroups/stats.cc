#include "runtime/cgroups/stats.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "base/core/text.h"

namespace berth::runtime::cgroups {
namespace {

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

constexpr auto kDetailsV1 = std::to_array<std::string_view>({"active_anon",
                                                             "active_file",
                                                             "cache",
                                                             "dirty",
                                                             "hierarchical_memory_limit",
                                                             "hierarchical_memsw_limit",
                                                             "inactive_anon",
                                                             "inactive_file",
                                                             "mapped_file",
                                                             "pgfault",
                                                             "pgmajfault",
                                                             "pgpgin",
                                                             "pgpgout",
                                                             "rss",
                                                             "rss_huge",
                                                             "total_active_anon",
                                                             "total_active_file",
                                                             "total_cache",
                                                             "total_dirty",
                                                             "total_inactive_anon",
                                                             "total_inactive_file",
                                                             "total_mapped_file",
                                                             "total_pgfault",
                                                             "total_pgmajfault",
                                                             "total_pgpgin",
                                                             "total_pgpgout",
                                                             "total_rss",
                                                             "total_rss_huge",
                                                             "total_unevictable",
                                                             "total_writeback",
                                                             "unevictable",
                                                             "writeback"});

constexpr auto kDetailsV2 = std::to_array<std::string_view>({"active_anon",
                                                             "active_file",
                                                             "anon",
                                                             "anon_thp",
                                                             "file",
                                                             "file_dirty",
                                                             "file_mapped",
                                                             "file_writeback",
                                                             "inactive_anon",
                                                             "inactive_file",
                                                             "kernel_stack",
                                                             "pgactivate",
                                                             "pgdeactivate",
                                                             "pgfault",
                                                             "pglazyfree",
                                                             "pglazyfreed",
                                                             "pgmajfault",
                                                             "pgrefill",
                                                             "pgscan",
                                                             "pgsteal",
                                                             "shmem",
                                                             "slab",
                                                             "slab_reclaimable",
                                                             "slab_unreclaimable",
                                                             "sock",
                                                             "thp_collapse_alloc",
                                                             "thp_fault_alloc",
                                                             "unevictable",
                                                             "workingset_activate",
                                                             "workingset_nodereclaim",
                                                             "workingset_refault"});

static_assert(std::ranges::is_sorted(kDetailsV1) && std::ranges::is_sorted(kDetailsV2));

std::uint64_t number(std::string_view text) { return parse_number<std::uint64_t>(trim(text)).value_or(0); }

std::uint64_t limit_of(std::string_view text, std::uint64_t none) { return trim(text) == "max" ? none : number(text); }

/// Calls `visit` with each line of `text`, without its end.
template <class Visitor>
void each_line(std::string_view text, Visitor visit) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    visit(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

/// Cuts the first word off.
std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

std::optional<std::pair<std::uint64_t, std::uint64_t>> parse_device(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto major = parse_number<std::uint64_t>(text.substr(0, colon));
  const auto minor = parse_number<std::uint64_t>(text.substr(colon + 1));
  if (!major || !minor) return std::nullopt;
  return std::pair{*major, *minor};
}

/// Appends the whole file to `out`; false when it is not there (any more).
bool append_file(int fd, std::string& out) {
  constexpr std::size_t kStep = 4096;  // one page is what the kernel gives at once
  for (off_t offset = 0;;) {
    const std::size_t size = out.size();
    ssize_t got = 0;
    out.resize_and_overwrite(size + kStep, [&](char* data, std::size_t) {
      got = sys::retry_on_eintr([&] { return ::pread(fd, data + size, kStep, offset); });
      return size + static_cast<std::size_t>(std::max<ssize_t>(got, 0));
    });
    if (got < 0) return false;  // ENODEV: the group is gone; EOPNOTSUPP: not with this kernel
    offset += got;
    if (static_cast<std::size_t>(got) < kStep)
      return true;  // the kernel's seq_file fills a read as long as it has lines
  }
}

}  // namespace

std::span<const std::string_view> memory_details(bool v2) {
  if (v2) return kDetailsV2;
  return kDetailsV1;
}

std::uint64_t flat_value(std::string_view text, std::string_view key) {
  std::uint64_t value = 0;
  each_line(text, [&](std::string_view line) {
    if (take_word(line) == key) value = number(line);
  });
  return value;
}

std::vector<std::uint64_t> parse_details(std::string_view text, std::span<const std::string_view> sorted_names) {
  std::vector<std::uint64_t> values(sorted_names.size());
  each_line(text, [&](std::string_view line) {
    const std::string_view name = take_word(line);
    const auto found = std::ranges::lower_bound(sorted_names, name);
    if (found != sorted_names.end() && *found == name)
      values[static_cast<std::size_t>(found - sorted_names.begin())] = number(line);
  });
  return values;
}

std::vector<BlockIoEntry> parse_blkio(std::string_view text) {
  std::vector<BlockIoEntry> out;
  each_line(text, [&](std::string_view line) {
    const auto device = parse_device(take_word(line));
    const std::string_view operation = take_word(line);
    if (!device || operation.empty() || line.empty()) return;  // "Total 5"
    out.push_back({device->first, device->second, std::string{operation}, number(line)});
  });
  return out;
}

std::vector<BlockIoEntry> parse_io_stat(std::string_view text) {
  std::vector<BlockIoEntry> out;
  each_line(text, [&](std::string_view line) {
    const auto device = parse_device(take_word(line));
    if (!device) return;
    while (!line.empty()) {
      const std::string_view word = take_word(line);
      if (word.starts_with("rbytes=")) out.push_back({device->first, device->second, "read", number(word.substr(7))});
      if (word.starts_with("wbytes=")) out.push_back({device->first, device->second, "write", number(word.substr(7))});
    }
  });
  return out;
}

StatsReader::StatsReader(const Tree& tree, std::string path, Kept kept)
    : tree_(tree), path_(std::move(path)), kept_(kept) {}

/// "" when the machine or the group doesn't have the file.
std::string_view StatsReader::get(std::size_t file, std::string_view controller, std::string_view name) {
  const Hierarchy* hierarchy = tree_.unified() ? &tree_.hierarchies.front() : tree_.find(controller);
  if (hierarchy == nullptr) return "";
  sys::UniqueFd& fd = files_[file];
  if (!fd) fd.reset(::open(cat(hierarchy->path, path_, '/', name).c_str(), O_RDONLY | O_CLOEXEC));
  text_.clear();
  if (!fd) return "";
  const bool read = append_file(fd.get(), text_);
  found_ = found_ || read;
  const bool keep = fd.get() < (file < kHotFiles ? kept_.hot : kept_.all);
  if (!read || !keep) fd.reset();
  return text_;
}

CpuStats StatsReader::read_cpu_v1() {
  CpuStats stats;
  std::string_view text = trim(get(2, "cpuacct", "cpuacct.usage_percpu"));
  while (!text.empty()) stats.per_cpu_ns.push_back(number(take_word(text)));
  stats.usage_ns = number(get(0, "cpuacct", "cpuacct.usage"));
  const std::string_view ticks = get(3, "cpuacct", "cpuacct.stat");
  const auto tick_ns = 1'000'000'000ULL / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  stats.user_ns = flat_value(ticks, "user") * tick_ns;
  stats.system_ns = flat_value(ticks, "system") * tick_ns;
  const std::string_view throttling = get(4, "cpu", "cpu.stat");
  stats.periods = flat_value(throttling, "nr_periods");
  stats.throttled_periods = flat_value(throttling, "nr_throttled");
  stats.throttled_ns = flat_value(throttling, "throttled_time");
  return stats;
}

void StatsReader::read_v1(Stats& stats) {
  if (tree_.find("cpuacct") != nullptr) stats.cpu = read_cpu_v1();
  if (tree_.find("memory") != nullptr) {
    MemoryStats& memory = stats.memory.emplace();
    memory.usage = number(get(1, "memory", "memory.usage_in_bytes"));
    memory.max_usage = number(get(5, "memory", "memory.max_usage_in_bytes"));
    memory.limit = number(get(6, "memory", "memory.limit_in_bytes"));
    memory.failures = number(get(7, "memory", "memory.failcnt"));
    memory.details = parse_details(get(8, "memory", "memory.stat"), kDetailsV1);
  }
  if (tree_.find("pids") != nullptr) {
    PidsStats& pids = stats.pids.emplace();
    pids.current = number(get(9, "pids", "pids.current"));
    pids.limit = limit_of(get(10, "pids", "pids.max"), 0);
  }
  stats.io_service_bytes = parse_blkio(get(11, "blkio", "blkio.throttle.io_service_bytes_recursive"));
  stats.io_serviced = parse_blkio(get(12, "blkio", "blkio.throttle.io_serviced_recursive"));
}

void StatsReader::read_v2(Stats& stats) {
  stats.v2 = true;
  CpuStats& cpu = stats.cpu.emplace();
  const std::string_view text = get(0, "", "cpu.stat");
  cpu.usage_ns = flat_value(text, "usage_usec") * 1000;
  cpu.user_ns = flat_value(text, "user_usec") * 1000;
  cpu.system_ns = flat_value(text, "system_usec") * 1000;
  cpu.periods = flat_value(text, "nr_periods");
  cpu.throttled_periods = flat_value(text, "nr_throttled");
  cpu.throttled_ns = flat_value(text, "throttled_usec") * 1000;
  // Without the memory or the pids controller in the tree their files are missing.
  if (const std::string_view usage = get(1, "", "memory.current"); !usage.empty()) {
    MemoryStats& memory = stats.memory.emplace();
    memory.usage = number(usage);
    memory.limit = limit_of(get(2, "", "memory.max"), kNoLimit);
    memory.details = parse_details(get(3, "", "memory.stat"), kDetailsV2);
  }
  if (const std::string_view current = get(4, "", "pids.current"); !current.empty()) {
    PidsStats& pids = stats.pids.emplace();
    pids.current = number(current);
    pids.limit = limit_of(get(5, "", "pids.max"), kNoLimit);
  }
  stats.io_service_bytes = parse_io_stat(get(6, "", "io.stat"));
}

std::string StatsReader::read_hot() {
  const bool v2 = tree_.unified();
  std::string hot{get(0, "cpuacct", v2 ? "cpu.stat" : "cpuacct.usage")};
  hot += get(1, "memory", v2 ? "memory.current" : "memory.usage_in_bytes");
  return hot;
}

std::optional<Stats> StatsReader::read() {
  constexpr int kTrust = 4;
  found_ = false;
  std::string hot = read_hot();
  if (found_ && last_ && hot == hot_ && repeated_ < kTrust) {
    ++repeated_;
    return last_;
  }
  Stats stats;
  if (tree_.unified()) {
    read_v2(stats);
  } else {
    read_v1(stats);
  }
  text_ = {};
  if (!found_) return std::nullopt;
  hot_ = std::move(hot);
  repeated_ = 0;
  if (kept_.hot > 0) last_ = stats;
  return stats;
}

}  // namespace berth::runtime::cgroups
