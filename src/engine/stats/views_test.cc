#include "engine/stats/views.h"

#include <gtest/gtest.h>

namespace berth::engine {
namespace {

constexpr std::string_view kProcStat =
    "cpu  100 20 30 400 5 6 7 8 9 0\ncpu0 50 10 15 200 2 3 3 4 4 0\ncpu1 50 10 15 200 3 3 4 4 5 0\nintr 1 2 3\ncpu9 "
    "x\n";

TEST(HostUsage, AddsTheFirstSevenKindsOfTime) {
  const HostUsage usage = parse_proc_stat(kProcStat, 100);
  EXPECT_EQ(usage.cpu_ns, 568ULL * 10'000'000U);
  EXPECT_EQ(usage.online_cpus, 2U);
}

StatsSample sample(bool v2) {
  StatsSample sample{.read = Time{std::chrono::seconds{1}},
                     .host = {.cpu_ns = 500, .online_cpus = 2, .memory_bytes = 1000}};
  sample.used.v2 = v2;
  sample.used.cpu = {.usage_ns = 30, .user_ns = 10, .system_ns = 20};
  sample.used.memory = {.usage = 7, .limit = ~std::uint64_t{0}};
  sample.used.memory->details.resize(runtime::cgroups::memory_details(v2).size());
  sample.used.pids = {.current = 3};
  return sample;
}

TEST(Stats, AContainerThatDoesNotRunIsZeros) {
  EXPECT_EQ(json::to_json(make_stats("/web", "4f2a", nullptr, nullptr)),
            R"({"name":"/web","id":"4f2a","read":"0001-01-01T00:00:00Z","preread":"0001-01-01T00:00:00Z",)"
            R"("pids_stats":{},"blkio_stats":{"io_service_bytes_recursive":null,"io_serviced_recursive":null,)"
            R"("io_queue_recursive":null,"io_service_time_recursive":null,"io_wait_time_recursive":null,)"
            R"("io_merged_recursive":null,"io_time_recursive":null,"sectors_recursive":null},"num_procs":0,)"
            R"("storage_stats":{},"cpu_stats":{"cpu_usage":{"total_usage":0,"usage_in_kernelmode":0,)"
            R"("usage_in_usermode":0},"throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}},)"
            R"("precpu_stats":{"cpu_usage":{"total_usage":0,"usage_in_kernelmode":0,"usage_in_usermode":0},)"
            R"("throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}},"memory_stats":{}})");
}

TEST(Stats, NoLimitIsTheMachinesMemory) {
  const StatsSample now = sample(false);
  EXPECT_EQ(make_stats("/web", "4f2a", &now, nullptr).memory_stats.limit, 1000U);
}

TEST(Stats, TheFirstVersionsListsAreEmptyTheSecondsNull) {
  const StatsSample v1 = sample(false);
  EXPECT_TRUE(make_stats("/web", "4f2a", &v1, nullptr).blkio_stats.sectors);
  StatsSample v2 = sample(true);
  EXPECT_FALSE(make_stats("/web", "4f2a", &v2, nullptr).blkio_stats.service_bytes);
  v2.used.io_service_bytes = {{8, 0, "read", 5}};
  const BlockIoView io = make_stats("/web", "4f2a", &v2, nullptr).blkio_stats;
  EXPECT_EQ(io.service_bytes->front().value, 5U);
  EXPECT_FALSE(io.serviced);
}

TEST(Stats, TheSampleBeforeIsWhatTheProcessorIsComparedWith) {
  const StatsSample before = sample(false);
  StatsSample now = sample(false);
  now.read += std::chrono::seconds{1};
  now.used.cpu->usage_ns = 90;
  now.interfaces = {{.rx_bytes = 1}, {.rx_bytes = 2}};
  const StatsView view = make_stats("/web", "4f2a", &now, &before);
  EXPECT_EQ(view.precpu_stats.cpu_usage.total_usage, 30U);
  EXPECT_EQ(view.cpu_stats.cpu_usage.total_usage, 90U);
  EXPECT_EQ(view.preread, before.read);
  EXPECT_EQ(view.networks.at("eth1").rx_bytes, 2U);
}

TEST(Stats, MemoryDetailsAreAnObject) {
  constexpr std::string_view kNames[] = {"anon", "file"};
  std::string out;
  MemoryDetailsView::write_json(out, {.names = kNames, .values = {4, 5}});
  EXPECT_EQ(out, R"({"anon":4,"file":5})");
}

}  // namespace
}  // namespace berth::engine
