#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json/json.h"
#include "engine/container_views.h"
#include "engine/volumes.h"
#include "image/views.h"

/// The daemon as the API shows it. Spec: docker-engine-api-v1.51.yaml, SystemInfo, SystemVersion,
/// SystemDataUsageResponse.
namespace berth::engine {

struct PluginsInfo {
  std::vector<std::string> volume, network, authorization, log;
  static void describe(auto& self, auto&& field) {
    field("Volume", self.volume);
    field("Network", self.network);
    field("Authorization", self.authorization, json::null_if_empty);
    field("Log", self.log);
  }
};

struct IndexInfo {
  std::string name;
  std::vector<std::string> mirrors;
  bool secure = true, official = false;
  static void describe(auto& self, auto&& field) {
    field("Name", self.name);
    field("Mirrors", self.mirrors);
    field("Secure", self.secure);
    field("Official", self.official);
  }
};

struct RegistryConfigView {
  std::vector<std::string> insecure_registry_cidrs;
  std::map<std::string, IndexInfo> index_configs;
  std::vector<std::string> mirrors;
  static void describe(auto& self, auto&& field) {
    field("InsecureRegistryCIDRs", self.insecure_registry_cidrs);
    field("IndexConfigs", self.index_configs);
    field("Mirrors", self.mirrors);
  }
};

struct RuntimeInfo {
  std::string path;
  std::vector<std::string> runtime_args;
  std::map<std::string, std::string> status;
  static void describe(auto& self, auto&& field) {
    field("path", self.path);
    field("runtimeArgs", self.runtime_args, json::omit_empty);
    field("status", self.status, json::omit_empty);
  }
};

struct CommitInfo {
  std::string id;
  static void describe(auto& self, auto&& field) { field("ID", self.id); }
};

struct SwarmInfoView {
  std::string node_id, node_addr, local_node_state = "inactive";
  bool control_available = false;
  std::string error;
  std::vector<std::string> remote_managers;  ///< always empty without swarm mode: null
  static void describe(auto& self, auto&& field) {
    field("NodeID", self.node_id);
    field("NodeAddr", self.node_addr);
    field("LocalNodeState", self.local_node_state);
    field("ControlAvailable", self.control_available);
    field("Error", self.error);
    field("RemoteManagers", self.remote_managers, json::null_if_empty);
  }
};

struct AddressPool {
  std::string base;
  std::int64_t size = 0;
  static void describe(auto& self, auto&& field) {
    field("Base", self.base);
    field("Size", self.size);
  }
};

struct FirewallInfo {
  std::string driver;
  std::vector<std::vector<std::string>> info;
  static void describe(auto& self, auto&& field) {
    field("Driver", self.driver);
    field("Info", self.info, json::omit_empty);
  }
};

struct SystemInfo {
  std::string id;
  std::int64_t containers = 0, containers_running = 0, containers_paused = 0, containers_stopped = 0, images = 0;
  std::string driver;
  std::vector<std::vector<std::string>> driver_status;
  PluginsInfo plugins;
  bool memory_limit = false, swap_limit = false, cpu_cfs_period = false, cpu_cfs_quota = false, cpu_shares = false,
       cpu_set = false, pids_limit = false, ipv4_forwarding = false, debug = false;
  std::int64_t file_descriptors = 0;
  bool oom_kill_disable = false;
  std::int64_t goroutines = 0;  ///< threads, in Berth
  std::string system_time, logging_driver = "json-file", cgroup_driver = "cgroupfs", cgroup_version;
  std::int64_t events_listeners = 0;
  std::string kernel_version, operating_system, os_version, os_type = "linux", architecture, index_server_address;
  RegistryConfigView registry_config;
  std::int64_t ncpu = 0, mem_total = 0;
  std::string docker_root_dir, http_proxy, https_proxy, no_proxy, name;
  std::vector<std::string> labels;
  bool experimental_build = false;
  std::string server_version;
  std::map<std::string, RuntimeInfo> runtimes;
  std::string default_runtime;
  SwarmInfoView swarm;
  bool live_restore_enabled = false;
  std::string isolation, init_binary;
  CommitInfo containerd_commit, runc_commit, init_commit;
  std::vector<std::string> security_options;
  std::string product_license;
  std::vector<AddressPool> default_address_pools;
  std::optional<FirewallInfo> firewall_backend;
  std::vector<std::string> cdi_spec_dirs, warnings;

  static void describe(auto& self, auto&& field) {
    field("ID", self.id);
    field("Containers", self.containers);
    field("ContainersRunning", self.containers_running);
    field("ContainersPaused", self.containers_paused);
    field("ContainersStopped", self.containers_stopped);
    field("Images", self.images);
    field("Driver", self.driver);
    field("DriverStatus", self.driver_status);
    field("Plugins", self.plugins);
    field("MemoryLimit", self.memory_limit);
    field("SwapLimit", self.swap_limit);
    field("CpuCfsPeriod", self.cpu_cfs_period);
    field("CpuCfsQuota", self.cpu_cfs_quota);
    field("CPUShares", self.cpu_shares);
    field("CPUSet", self.cpu_set);
    field("PidsLimit", self.pids_limit);
    field("IPv4Forwarding", self.ipv4_forwarding);
    field("Debug", self.debug);
    field("NFd", self.file_descriptors);
    field("OomKillDisable", self.oom_kill_disable);
    field("NGoroutines", self.goroutines);
    field("SystemTime", self.system_time);
    field("LoggingDriver", self.logging_driver);
    field("CgroupDriver", self.cgroup_driver);
    field("CgroupVersion", self.cgroup_version, json::omit_empty);
    field("NEventsListener", self.events_listeners);
    field("KernelVersion", self.kernel_version);
    field("OperatingSystem", self.operating_system);
    field("OSVersion", self.os_version);
    field("OSType", self.os_type);
    field("Architecture", self.architecture);
    field("IndexServerAddress", self.index_server_address);
    field("RegistryConfig", self.registry_config);
    field("NCPU", self.ncpu);
    field("MemTotal", self.mem_total);
    field("GenericResources", std::optional<bool>{});  // swarm mode's; null without it
    field("DockerRootDir", self.docker_root_dir);
    field("HttpProxy", self.http_proxy);
    field("HttpsProxy", self.https_proxy);
    field("NoProxy", self.no_proxy);
    field("Name", self.name);
    field("Labels", self.labels);
    field("ExperimentalBuild", self.experimental_build);
    field("ServerVersion", self.server_version);
    field("Runtimes", self.runtimes);
    field("DefaultRuntime", self.default_runtime);
    field("Swarm", self.swarm);
    field("LiveRestoreEnabled", self.live_restore_enabled);
    field("Isolation", self.isolation);
    field("InitBinary", self.init_binary);
    field("ContainerdCommit", self.containerd_commit);
    field("RuncCommit", self.runc_commit);
    field("InitCommit", self.init_commit);
    field("SecurityOptions", self.security_options);
    field("ProductLicense", self.product_license, json::omit_empty);
    field("DefaultAddressPools", self.default_address_pools, json::omit_empty);
    field("FirewallBackend", self.firewall_backend, json::omit_empty);
    field("CDISpecDirs", self.cdi_spec_dirs);
    field("Warnings", self.warnings, json::null_if_empty);
  }
};

struct PlatformInfo {
  std::string name;
  static void describe(auto& self, auto&& field) { field("Name", self.name); }
};

struct ComponentVersion {
  std::string name, version;
  std::map<std::string, std::string> details;
  static void describe(auto& self, auto&& field) {
    field("Name", self.name);
    field("Version", self.version);
    field("Details", self.details, json::omit_empty);
  }
};

struct VersionInfo {
  PlatformInfo platform;
  std::vector<ComponentVersion> components;
  std::string version, api_version, min_api_version, git_commit, go_version, os = "linux", arch, kernel_version;
  bool experimental = false;
  std::string build_time;
  static void describe(auto& self, auto&& field) {
    field("Platform", self.platform);
    field("Components", self.components, json::omit_empty);
    field("Version", self.version);
    field("ApiVersion", self.api_version);
    field("MinAPIVersion", self.min_api_version);
    field("GitCommit", self.git_commit);
    field("GoVersion", self.go_version);
    field("Os", self.os);
    field("Arch", self.arch);
    field("KernelVersion", self.kernel_version);
    field("Experimental", self.experimental, json::omit_empty);
    field("BuildTime", self.build_time, json::omit_empty);
  }
};

struct BuildCacheRecord {
  std::string id;
  std::vector<std::string> parents;
  std::string type, description;
  bool in_use = false, shared = false;
  std::int64_t size = 0;
  std::string created_at;
  std::optional<std::string> last_used_at;
  std::int64_t usage_count = 0;
  static void describe(auto& self, auto&& field) {
    field("ID", self.id);
    field("Parents", self.parents, json::omit_empty);
    field("Type", self.type);
    field("Description", self.description);
    field("InUse", self.in_use);
    field("Shared", self.shared);
    field("Size", self.size);
    field("CreatedAt", self.created_at);
    field("LastUsedAt", self.last_used_at);
    field("UsageCount", self.usage_count);
  }
};

/// Lists that were not asked for are null.
struct DiskUsage {
  std::int64_t layers_size = 0;
  std::optional<std::vector<image::ImageSummary>> images;
  std::optional<std::vector<ContainerSummary>> containers;
  std::optional<std::vector<VolumeView>> volumes;
  std::optional<std::vector<BuildCacheRecord>> build_cache;
  static void describe(auto& self, auto&& field) {
    field("LayersSize", self.layers_size);
    field("Images", self.images);
    field("Containers", self.containers);
    field("Volumes", self.volumes);
    field("BuildCache", self.build_cache);
  }
};

}  // namespace berth::engine
