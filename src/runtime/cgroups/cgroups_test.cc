#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/core/text.h"
#include "base/sys/file.h"
#include "runtime/cgroups/cgroup.h"
#include "runtime/cgroups/device_program.h"
#include "runtime/cgroups/settings.h"
#include "runtime/cgroups/stats.h"

namespace berth::runtime::cgroups {
namespace {

constexpr StatsReader::Kept kKeepAll{.all = 1'000, .hot = 1'000};

std::string texts(const std::vector<Setting>& settings) {
  std::string out;
  for (const Setting& setting : settings) out += cat(setting.file, '=', setting.value, ';');
  return out;
}

TEST(Settings, V1LimitsMemoryBeforeSwap) {
  oci::Resources resources;
  resources.memory = oci::MemoryLimits{.limit = 1000, .reservation = 500, .swap = 2000};
  EXPECT_EQ(texts(settings_v1(resources)),
            "memory.limit_in_bytes=1000;memory.memsw.limit_in_bytes=2000;memory.soft_limit_in_bytes=500;");
}

TEST(Settings, V2CountsSwapAlone) {
  oci::Resources resources;
  resources.memory = oci::MemoryLimits{.limit = 1000, .swap = 3000};
  EXPECT_EQ(texts(settings_v2(resources)), "memory.swap.max=2000;memory.max=1000;");
  resources.memory = oci::MemoryLimits{.limit = -1, .swap = -1};
  EXPECT_EQ(texts(settings_v2(resources)), "memory.swap.max=max;memory.max=max;");
  resources.memory = oci::MemoryLimits{.limit = 1000, .swap = 500};
  EXPECT_THROW(settings_v2(resources), Error);
}

TEST(Settings, V2TurnsSharesIntoWeight) {
  EXPECT_EQ(weight_of_shares(2), 1U);
  EXPECT_EQ(weight_of_shares(1024), 39U);
  EXPECT_EQ(weight_of_shares(262144), 10000U);
}

TEST(Settings, V2WeighsBlockIoForBothSchedulers) {
  EXPECT_EQ(weight_of_block_io(10), 1U);
  EXPECT_EQ(weight_of_block_io(1000), 10000U);
  oci::Resources resources;
  resources.block_io.emplace();
  resources.block_io->weight = 500;
  EXPECT_EQ(texts(settings_v2(resources)), "io.bfq.weight=500;io.weight=4950;");
}

TEST(Settings, V2PutsQuotaAndPeriodIntoOneFile) {
  oci::Resources resources;
  resources.cpu = oci::CpuLimits{.quota = 50000};
  EXPECT_EQ(texts(settings_v2(resources)), "cpu.max=50000 100000;");
  resources.cpu = oci::CpuLimits{.period = 20000, .quota = -1};
  EXPECT_EQ(texts(settings_v2(resources)), "cpu.max=max 20000;");
}

TEST(Settings, V1WritesDeviceRulesInOrder) {
  oci::Resources resources;
  resources.devices = {{false, "a", {}, {}, "rwm"}, {true, "c", 1, 3, "rwm"}, {true, "c", 136, {}, "rw"}};
  EXPECT_EQ(texts(settings_v1(resources)), "devices.deny=a *:* rwm;devices.allow=c 1:3 rwm;devices.allow=c 136:* rw;");
}

TEST(Settings, NoPidsLimitIsMax) {
  oci::Resources resources;
  resources.pids = oci::PidsLimits{0};
  EXPECT_EQ(texts(settings_v1(resources)), "pids.max=max;");
}

TEST(Settings, UnifiedNamesAreFilesOnly) {
  oci::Resources resources;
  resources.unified = {{"../cgroup.procs", "1"}};
  EXPECT_THROW(settings_v2(resources), Error);
}

/// Runs the few instructions that the compiler emits.
bool allows(const std::vector<bpf_insn>& program, std::uint32_t type, std::uint32_t access, std::uint32_t major,
            std::uint32_t minor) {
  const std::uint32_t context[] = {access << 16 | type, major, minor};
  std::uint32_t reg[11] = {};
  for (std::size_t at = 0; at < program.size(); ++at) {
    const bpf_insn& step = program[at];
    const auto value = static_cast<std::uint32_t>(step.imm);
    switch (step.code) {
      case BPF_LDX | BPF_MEM | BPF_W: reg[step.dst_reg] = context[step.off / 4]; break;
      case BPF_ALU | BPF_MOV | BPF_K: reg[step.dst_reg] = value; break;
      case BPF_ALU | BPF_MOV | BPF_X: reg[step.dst_reg] = reg[step.src_reg]; break;
      case BPF_ALU | BPF_AND | BPF_K: reg[step.dst_reg] &= value; break;
      case BPF_ALU | BPF_RSH | BPF_K: reg[step.dst_reg] >>= value; break;
      case BPF_JMP | BPF_JNE | BPF_K:
        if (reg[step.dst_reg] != value) at += static_cast<std::size_t>(step.off);
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        if (reg[step.dst_reg] == value) at += static_cast<std::size_t>(step.off);
        break;
      case BPF_JMP | BPF_EXIT: return reg[0] != 0;
      default: ADD_FAILURE() << "instruction " << int{step.code};
    }
  }
  ADD_FAILURE() << "ran off the end";
  return false;
}

TEST(DeviceProgram, LaterRulesWin) {
  constexpr auto kChar = BPF_DEVCG_DEV_CHAR, kBlock = BPF_DEVCG_DEV_BLOCK;
  constexpr auto kRead = BPF_DEVCG_ACC_READ, kWrite = BPF_DEVCG_ACC_WRITE, kMknod = BPF_DEVCG_ACC_MKNOD;
  const auto program = compile_device_program({{false, "a", {}, {}, "rwm"},
                                               {true, "c", {}, {}, "m"},
                                               {true, "c", 1, 3, "rwm"},
                                               {true, "b", 8, {}, "r"},
                                               {false, "b", 8, 1, "r"}});
  EXPECT_TRUE(allows(program, kChar, kRead | kWrite, 1, 3));
  EXPECT_TRUE(allows(program, kChar, kMknod, 5, 5));
  EXPECT_FALSE(allows(program, kChar, kMknod | kRead, 5, 5));
  EXPECT_TRUE(allows(program, kBlock, kRead, 8, 0));
  EXPECT_FALSE(allows(program, kBlock, kRead | kWrite, 8, 0));
  EXPECT_FALSE(allows(program, kBlock, kRead, 8, 1));
  EXPECT_FALSE(allows(program, kBlock, kRead, 9, 0));
}

TEST(DeviceProgram, DeniesWithoutRules) { EXPECT_FALSE(allows(compile_device_program({}), 2, 2, 1, 3)); }

TEST(DeviceProgram, RefusesUnknownLetters) {
  EXPECT_THROW(compile_device_program({{true, "c", 1, 3, "x"}}), Error);
  EXPECT_THROW(compile_device_program({{true, "z", 1, 3, "r"}}), Error);
}

std::uint64_t detail(const Stats& stats, std::string_view name) {
  const auto names = memory_details(stats.v2);
  const auto found = std::ranges::find(names, name);
  return stats.memory->details.at(static_cast<std::size_t>(found - names.begin()));
}

/// A v1 machine made of plain folders; the kernel's files are put there by the test.
class FakeHierarchies : public testing::Test {
 protected:
  FakeHierarchies() {
    for (const char* name : {"memory", "pids", "cpuset"}) {
      sys::ensure_dir(cat(folder_.path(), '/', name));
      tree_.hierarchies.push_back({cat(folder_.path(), '/', name), name, {name}, false});
    }
  }
  void put(const std::string& file, std::string_view text) { sys::write_file(cat(folder_.path(), '/', file), text); }
  std::string get(const std::string& file) { return sys::read_file(cat(folder_.path(), '/', file)); }

  sys::TemporaryDir folder_{"/tmp", "cgroups-test-"};
  Tree tree_;
};

TEST_F(FakeHierarchies, LimitsGoToTheirHierarchies) {
  const Cgroup cgroup{tree_, "/b/c1"};
  cgroup.create();
  put("memory/b/c1/memory.limit_in_bytes", "");
  put("pids/b/c1/pids.max", "");
  oci::Resources resources;
  resources.memory = oci::MemoryLimits{.limit = 4096};
  resources.pids = oci::PidsLimits{7};
  resources.cpu = oci::CpuLimits{.shares = 10};  // a controller that this machine doesn't have
  cgroup.set(resources);
  EXPECT_EQ(get("memory/b/c1/memory.limit_in_bytes"), "4096");
  EXPECT_EQ(get("pids/b/c1/pids.max"), "7");
}

TEST_F(FakeHierarchies, ARefusedLimitNamesItsFile) {
  const Cgroup cgroup{tree_, "/b/c1"};
  cgroup.create();
  oci::Resources resources;
  resources.pids = oci::PidsLimits{7};
  try {
    cgroup.set(resources);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.text(), "failed to write \"7\" to pids.max: no such file or directory");
  }
}

TEST_F(FakeHierarchies, RemovesWhatIsBelow) {
  const Cgroup cgroup{tree_, "/b/c1"};
  cgroup.create();
  Cgroup{tree_, "/b/c1/nested/deep"}.create();
  EXPECT_TRUE(cgroup.remove(0));
  EXPECT_FALSE(sys::exists(cat(folder_.path(), "/memory/b/c1")));
  EXPECT_TRUE(sys::exists(cat(folder_.path(), "/memory/b")));
  EXPECT_TRUE(cgroup.remove(0));
}

TEST_F(FakeHierarchies, APathDoesNotClimb) { EXPECT_THROW((Cgroup{tree_, "/b/../../etc"}.create()), Error); }

TEST_F(FakeHierarchies, ReadsMemoryAndPids) {
  const Cgroup cgroup{tree_, "/c"};
  cgroup.create();
  put("memory/c/memory.usage_in_bytes", "100\n");
  put("memory/c/memory.stat", "cache 5\nrss 7\n");
  put("memory/c/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
  put("pids/c/pids.current", "4\n");
  put("pids/c/pids.max", "max\n");
  StatsReader reader{tree_, "/c", kKeepAll};
  const std::optional<Stats> stats = reader.read();
  ASSERT_TRUE(stats);
  EXPECT_EQ(stats->memory->usage, 100U);
  EXPECT_EQ(detail(*stats, "rss"), 7U);
  EXPECT_EQ(detail(*stats, "total_rss"), 0U);
  EXPECT_EQ(stats->pids->current, 4U);
  EXPECT_EQ(stats->pids->limit, 0U);
  EXPECT_FALSE(stats->cpu);
  EXPECT_FALSE(stats->v2);
  EXPECT_EQ(cgroup.oom_kills(), 3U);
}

TEST_F(FakeHierarchies, ReadersSeeNewValues) {
  using Kept = StatsReader::Kept;
  sys::ensure_dir(cat(folder_.path(), "/memory/c"));
  for (const Kept kept : {kKeepAll, Kept{.hot = 1'000}, Kept{}}) {
    StatsReader reader{tree_, "/c", kept};
    put("memory/c/memory.usage_in_bytes", "100\n");
    EXPECT_EQ(reader.read()->memory->usage, 100U);
    put("memory/c/memory.usage_in_bytes", "200\n");
    EXPECT_EQ(reader.read()->memory->usage, 200U);
  }
}

TEST_F(FakeHierarchies, AnIdleContainerIsReadInFullNowAndThen) {
  sys::ensure_dir(cat(folder_.path(), "/memory/c"));
  sys::ensure_dir(cat(folder_.path(), "/pids/c"));
  put("memory/c/memory.usage_in_bytes", "100\n");
  put("pids/c/pids.current", "1\n");
  StatsReader reader{tree_, "/c", {.hot = 1'000}};
  EXPECT_EQ(reader.read()->pids->current, 1U);
  put("pids/c/pids.current", "2\n");
  for (int i = 0; i < 4; ++i) EXPECT_EQ(reader.read()->pids->current, 1U) << i;
  EXPECT_EQ(reader.read()->pids->current, 2U);
}

TEST_F(FakeHierarchies, AGroupThatIsGoneHasNoStats) {
  StatsReader reader{tree_, "/ghost", kKeepAll};
  EXPECT_FALSE(reader.read());
}

TEST(Stats, ReadsTheUnifiedTree) {
  const sys::TemporaryDir folder{"/tmp", "cgroups-test-"};
  Tree tree;
  tree.hierarchies.push_back({.path = folder.path(), .v2 = true});
  sys::ensure_dir(folder.path() + "/c");
  const auto put = [&](std::string_view file, std::string_view text) {
    sys::write_file(cat(folder.path(), "/c/", file), text);
  };
  put("cpu.stat", "usage_usec 30\nuser_usec 10\nsystem_usec 20\nnr_periods 3\nnr_throttled 2\nthrottled_usec 7\n");
  put("memory.current", "100\n");
  put("memory.max", "max\n");
  put("memory.stat", "anon 5\nfile 6\ninactive_file 4\nsec_pagetables 1\n");
  put("pids.current", "2\n");
  put("pids.max", "max\n");
  put("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n");
  StatsReader reader{tree, "/c", {}};
  const std::optional<Stats> stats = reader.read();
  ASSERT_TRUE(stats);
  EXPECT_TRUE(stats->v2);
  EXPECT_EQ(stats->cpu->usage_ns, 30'000U);
  EXPECT_EQ(stats->cpu->system_ns, 20'000U);
  EXPECT_EQ(stats->cpu->throttled_ns, 7'000U);
  EXPECT_TRUE(stats->cpu->per_cpu_ns.empty());
  EXPECT_EQ(stats->memory->limit, ~std::uint64_t{0});
  EXPECT_EQ(detail(*stats, "inactive_file"), 4U);
  EXPECT_EQ(stats->pids->limit, ~std::uint64_t{0});
  ASSERT_EQ(stats->io_service_bytes.size(), 2U);
  EXPECT_EQ(stats->io_service_bytes[1].value, 2U);
}

TEST(Stats, ParsesBlockIo) {
  const auto v1 = parse_blkio("8:0 Read 10\n8:0 Write 20\nTotal 30\n");
  ASSERT_EQ(v1.size(), 2U);
  EXPECT_EQ(v1[1].operation, "Write");
  EXPECT_EQ(v1[1].value, 20U);
  const auto v2 = parse_io_stat("8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n");
  ASSERT_EQ(v2.size(), 2U);
  EXPECT_EQ(v2[0].minor, 16U);
  EXPECT_EQ(v2[1].value, 2U);
}

}  // namespace
}  // namespace berth::runtime::cgroups
