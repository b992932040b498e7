#include "cli/text/stats_row.h"

#include <gtest/gtest.h>

#include "base/json/json.h"

namespace berth::cli {
namespace {

constexpr std::string_view kStats = R"({"name":"/web","id":"4f2a91c07d3e4f2a91c07d3e",
  "pids_stats":{"current":3},"memory_stats":{"usage":3145728,"limit":10485760,"stats":{"inactive_file":7,"total_inactive_file":1048576}},
  "cpu_stats":{"cpu_usage":{"total_usage":150},"system_cpu_usage":1000,"online_cpus":4},
  "precpu_stats":{"cpu_usage":{"total_usage":50},"system_cpu_usage":600},
  "blkio_stats":{"io_service_bytes_recursive":[{"op":"Read","value":1000},{"op":"write","value":2500},{"op":"Total","value":9}]},
  "networks":{"eth0":{"rx_bytes":1,"tx_bytes":20},"eth1":{"rx_bytes":2,"tx_bytes":30}}})";

std::string shown(const std::optional<Usage>& usage, bool no_trunc = false) {
  return render_rows(stats_list_format(), "{{json .}}", {stats_row("web", usage, no_trunc)});
}

TEST(StatsRow, WorksOutWhatIsShown) {
  EXPECT_EQ(shown(usage_of(json::parse(kStats))),
            R"({"BlockIO":"1kB / 2.5kB","CPUPerc":"100.00%","Container":"web","ID":"4f2a91c07d3e","MemPerc":"20.00%",)"
            R"("MemUsage":"2MiB / 10MiB","Name":"web","NetIO":"3B / 50B","PIDs":"3"})"
            "\n");
}

TEST(StatsRow, ShowsTheWholeId) {
  EXPECT_NE(shown(usage_of(json::parse(kStats)), true).find("4f2a91c07d3e4f2a91c07d3e"), std::string::npos);
}

TEST(StatsRow, ZerosOfAStoppedContainerAreNoFailure) {
  const Usage usage = usage_of(json::parse(R"({"name":"/web","id":"4f2a","networks":null})"));
  EXPECT_EQ(usage.cpu_percent, 0);
  EXPECT_NE(shown(usage).find(R"("MemUsage":"0B / 0B")"), std::string::npos);
}

TEST(StatsRow, NothingKnownYetIsDashes) {
  EXPECT_EQ(shown(std::nullopt),
            R"({"BlockIO":"--","CPUPerc":"--","Container":"web","ID":"web","MemPerc":"--","MemUsage":"-- / --",)"
            R"("Name":"--","NetIO":"--","PIDs":"--"})"
            "\n");
}

}  // namespace
}  // namespace berth::cli
