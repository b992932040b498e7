#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/cgroups/cgroup.h"

namespace berth::runtime::cgroups {

/// What a container has used so far. Absent parts: this machine doesn't have the controller.
struct CpuStats {
  std::uint64_t usage_ns = 0, user_ns = 0, system_ns = 0;
  std::vector<std::uint64_t> per_cpu_ns;  ///< v1 only
  std::uint64_t periods = 0, throttled_periods = 0, throttled_ns = 0;
};
struct MemoryStats {
  std::uint64_t usage = 0, max_usage = 0, limit = 0,
                failures = 0;                    ///< bytes; limit: as the kernel has it, v2 "max" is 2^64-1
  std::map<std::string, std::uint64_t> details;  ///< memory.stat
};
struct PidsStats {
  std::uint64_t current = 0, limit = 0;  ///< 0: no limit
};
struct BlockIoEntry {
  std::uint64_t major = 0, minor = 0;
  std::string operation;  ///< "Read", "Write", "Sync", …, as v1 spells them ("read", "write" with v2, as in Docker)
  std::uint64_t value = 0;
};
struct Stats {
  std::optional<CpuStats> cpu;
  std::optional<MemoryStats> memory;
  std::optional<PidsStats> pids;
  std::vector<BlockIoEntry> io_service_bytes, io_serviced;
};

/// A dozen small reads; a group that is gone gives zeros.
Stats read_stats(const Cgroup& cgroup);

// Parsers of the kernel's texts.
std::map<std::string, std::uint64_t> parse_flat(std::string_view text);  ///< "key 123\n…"
std::vector<BlockIoEntry> parse_blkio(std::string_view text);            ///< "8:0 Read 123\n…Total 5"
/// io.stat: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 …"; bytes or operations.
std::vector<BlockIoEntry> parse_io_stat(std::string_view text, bool operations);

}  // namespace berth::runtime::cgroups
