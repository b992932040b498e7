#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/sys/fd.h"
#include "runtime/cgroups/tree.h"

namespace berth::runtime::cgroups {

/// What a container has used so far. Absent parts: this machine doesn't have the controller.
struct CpuStats {
  std::uint64_t usage_ns = 0, user_ns = 0, system_ns = 0;
  std::vector<std::uint64_t> per_cpu_ns;  ///< v1 only
  std::uint64_t periods = 0, throttled_periods = 0, throttled_ns = 0;
};
struct MemoryStats {
  std::uint64_t usage = 0, limit = 0;         ///< bytes; limit: as the kernel has it, v2 "max" is 2^64-1
  std::uint64_t max_usage = 0, failures = 0;  ///< v1 only
  std::vector<std::uint64_t> details;         ///< of memory.stat, in the order of memory_details()
};
struct PidsStats {
  std::uint64_t current = 0, limit = 0;  ///< no limit: 0 with v1, 2^64-1 with v2, as Docker has it
};
struct BlockIoEntry {
  std::uint64_t major = 0, minor = 0;
  std::string operation;  ///< "Read", "Write", "Sync", …, as v1 spells them ("read", "write" with v2, as in Docker)
  std::uint64_t value = 0;
};
struct Stats {
  bool v2 = false;
  std::optional<CpuStats> cpu;
  std::optional<MemoryStats> memory;
  std::optional<PidsStats> pids;
  std::vector<BlockIoEntry> io_service_bytes, io_serviced;  ///< io_serviced: v1 only
};

/// The lines of memory.stat that Docker shows, sorted.
std::span<const std::string_view> memory_details(bool v2);

/// Reads one group's files again and again: seven small reads with v2, thirteen with v1. Of a container that has used
/// neither processor nor memory since the last time, two: nothing of the rest can have changed but what the kernel does
/// on its own (writing back, aging pages), for which all of it is read every fifth time.
class StatsReader {
 public:
  /// What stays open between reads: everything, which saves half of the time, or the two files that are always read. It
  /// goes by a descriptor's number, since that says how many are open: what is below `all` stays, of the two what is
  /// below `hot`.
  struct Kept {
    int all = 0, hot = 0;
  };

  /// `tree` must outlive the reader.
  StatsReader(const Tree& tree, std::string path, Kept kept);

  /// nullopt when the group is gone: its container has ended.
  std::optional<Stats> read();

 private:
  static constexpr std::size_t kFiles = 13, kHotFiles = 2;

  /// `file` below kHotFiles is a hot one.
  std::string_view get(std::size_t file, std::string_view controller, std::string_view name);
  std::string read_hot();
  void read_v1(Stats& stats);
  void read_v2(Stats& stats);
  CpuStats read_cpu_v1();

  const Tree& tree_;
  std::string path_;
  const Kept kept_;
  std::array<sys::UniqueFd, kFiles> files_;
  std::string text_;  ///< what get() has read; empty between reads
  bool found_ = false;
  std::string hot_;  ///< of the last whole read
  std::optional<Stats> last_;
  int repeated_ = 0;
};

// Parsers of the kernel's texts.
std::uint64_t flat_value(std::string_view text, std::string_view key);  ///< "key 123\n…"; 0 when absent
std::vector<std::uint64_t> parse_details(std::string_view text, std::span<const std::string_view> sorted_names);
std::vector<BlockIoEntry> parse_blkio(std::string_view text);    ///< "8:0 Read 123\n…Total 5"
std::vector<BlockIoEntry> parse_io_stat(std::string_view text);  ///< "8:0 rbytes=1 wbytes=2 rios=3 wios=4 …"; bytes

}  // namespace berth::runtime::cgroups
