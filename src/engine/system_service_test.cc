#include "engine/system_service.h"

#include <gtest/gtest.h>

#include "base/json/json.h"
#include "base/sys/file.h"

namespace berth::engine {
namespace {

SystemParts parts() {
  SystemParts parts;
  parts.container_counts = [] { return ContainerCounts{.running = 2, .paused = 1, .stopped = 4}; };
  parts.image_count = [] { return std::int64_t{5}; };
  parts.event_readers = [] { return std::int64_t{1}; };
  return parts;
}

TEST(System, InfoCountsAndDescribes) {
  SystemOptions options{.id = "some-id",
                        .data_root = "/tmp",
                        .shim_path = "/bin/berth-shim",
                        .storage_driver = "overlay2",
                        .insecure_registries = {"10.0.0.0/8", "registry.local:5000"}};
  options.defaults.host.swap_limit = false;
  const SystemInfo info = make_system(options, parts())->info();
  EXPECT_EQ(info.containers, 7);
  EXPECT_EQ(info.images, 5);
  EXPECT_EQ(info.driver, "overlay2");
  EXPECT_GT(info.mem_total, 0);
  EXPECT_FALSE(info.kernel_version.empty());
  EXPECT_EQ(info.runtimes.at("berth").path, "/bin/berth-shim");
  EXPECT_FALSE(info.registry_config.index_configs.at("registry.local:5000").secure);
  EXPECT_EQ(info.registry_config.insecure_registry_cidrs.size(), 3u);
  EXPECT_NE(std::ranges::find(info.warnings, "WARNING: No swap limit support"), info.warnings.end());
  const std::string json = json::to_json(info);
  for (const char* field : {"\"ID\"", "\"ServerVersion\"", "\"Swarm\"", "\"Plugins\"", "\"GenericResources\":null",
                            "\"SecurityOptions\"", "\"CgroupVersion\"", "\"RegistryConfig\""}) {
    EXPECT_NE(json.find(field), std::string::npos) << field;
  }
}

TEST(System, VersionSpeaksTheApi) {
  const VersionInfo version = make_system({}, parts())->version();
  EXPECT_EQ(version.api_version, "1.51");
  EXPECT_EQ(version.min_api_version, "1.24");
  ASSERT_EQ(version.components.size(), 1u);
  EXPECT_EQ(version.components[0].name, "Engine");
  EXPECT_EQ(version.components[0].details.at("ApiVersion"), "1.51");
}

TEST(System, TheIdIsKept) {
  const sys::TemporaryDir dir{"/tmp"};
  const std::string id = load_engine_id(dir.path());
  EXPECT_EQ(id.size(), 36u);
  EXPECT_EQ(id[14], '4');
  EXPECT_EQ(load_engine_id(dir.path()), id);
}

TEST(HostFeatures, DetectionFindsThisMachine) {
  const HostFeatures host = detect_host_features();
  EXPECT_GE(host.cpu_count, 1);
  EXPECT_FALSE(host.cpus.empty());
}

}  // namespace
}  // namespace berth::engine
