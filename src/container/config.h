#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json/json.h"
#include "container/given.h"
#include "oci/container_config.h"

/// What a user asks a container to be, in Docker's own shapes and spellings: the bodies of POST /containers/create
/// and of inspect, and what the state database keeps. Spec: docker-engine-api-v1.51.yaml, definitions
/// ContainerConfig and HostConfig. Absent and zero mean what they mean there.
namespace berth::container {

using oci::HealthConfig;
using oci::StringList;
using Config = oci::ContainerConfig;

struct DeviceMapping {
  std::string path_on_host, path_in_container, cgroup_permissions;
  static void describe(auto& self, auto&& field) {
    field("PathOnHost", self.path_on_host);
    field("PathInContainer", self.path_in_container);
    field("CgroupPermissions", self.cgroup_permissions);
  }
};

struct DeviceRequest {
  std::string driver;
  std::int64_t count = 0;
  std::vector<std::string> device_ids;
  std::vector<std::vector<std::string>> capabilities;
  std::map<std::string, std::string> options;
  static void describe(auto& self, auto&& field) {
    field("Driver", self.driver);
    field("Count", self.count);
    field("DeviceIDs", self.device_ids, json::null_if_empty);
    field("Capabilities", self.capabilities);
    field("Options", self.options);
  }
};

struct Ulimit {
  std::string name;
  std::int64_t hard = 0, soft = 0;
  static void describe(auto& self, auto&& field) {
    field("Name", self.name);
    field("Hard", self.hard);
    field("Soft", self.soft);
  }
};

struct WeightDevice {
  std::string path;
  std::uint16_t weight = 0;
  static void describe(auto& self, auto&& field) {
    field("Path", self.path);
    field("Weight", self.weight);
  }
};

struct ThrottleDevice {
  std::string path;
  std::uint64_t rate = 0;  ///< bytes/s or operations/s
  static void describe(auto& self, auto&& field) {
    field("Path", self.path);
    field("Rate", self.rate);
  }
};

/// Ceilings and shares; also the body of POST /containers/{id}/update.
struct Resources {
  std::int64_t cpu_shares = 0, memory = 0, nano_cpus = 0;  ///< memory in bytes; nano_cpus: 1e9 is one CPU
  std::string cgroup_parent;
  std::uint16_t blkio_weight = 0;
  Given<std::vector<WeightDevice>> blkio_weight_device;
  Given<std::vector<ThrottleDevice>> blkio_device_read_bps, blkio_device_write_bps, blkio_device_read_iops,
      blkio_device_write_iops;
  std::int64_t cpu_period = 0, cpu_quota = 0;                      ///< microseconds
  std::int64_t cpu_realtime_period = 0, cpu_realtime_runtime = 0;  ///< microseconds
  std::string cpuset_cpus, cpuset_mems;
  Given<std::vector<DeviceMapping>> devices;
  Given<std::vector<std::string>> device_cgroup_rules;
  Given<std::vector<DeviceRequest>> device_requests;
  std::int64_t memory_reservation = 0, memory_swap = 0;  ///< bytes; swap -1: no ceiling
  std::optional<std::int64_t> memory_swappiness;
  std::optional<bool> oom_kill_disable;
  std::optional<std::int64_t> pids_limit;
  Given<std::vector<Ulimit>> ulimits;
  std::int64_t cpu_count = 0, cpu_percent = 0, io_maximum_iops = 0, io_maximum_bandwidth = 0;  ///< Windows only

  static void describe(auto& self, auto&& field) {
    field("CpuShares", self.cpu_shares);
    field("Memory", self.memory);
    field("NanoCpus", self.nano_cpus);
    field("CgroupParent", self.cgroup_parent);
    field("BlkioWeight", self.blkio_weight);
    field("BlkioWeightDevice", self.blkio_weight_device);
    field("BlkioDeviceReadBps", self.blkio_device_read_bps);
    field("BlkioDeviceWriteBps", self.blkio_device_write_bps);
    field("BlkioDeviceReadIOps", self.blkio_device_read_iops);
    field("BlkioDeviceWriteIOps", self.blkio_device_write_iops);
    field("CpuPeriod", self.cpu_period);
    field("CpuQuota", self.cpu_quota);
    field("CpuRealtimePeriod", self.cpu_realtime_period);
    field("CpuRealtimeRuntime", self.cpu_realtime_runtime);
    field("CpusetCpus", self.cpuset_cpus);
    field("CpusetMems", self.cpuset_mems);
    field("Devices", self.devices);
    field("DeviceCgroupRules", self.device_cgroup_rules);
    field("DeviceRequests", self.device_requests);
    field("MemoryReservation", self.memory_reservation);
    field("MemorySwap", self.memory_swap);
    field("MemorySwappiness", self.memory_swappiness);
    field("OomKillDisable", self.oom_kill_disable);
    field("PidsLimit", self.pids_limit);
    field("Ulimits", self.ulimits);
    field("CpuCount", self.cpu_count);
    field("CpuPercent", self.cpu_percent);
    field("IOMaximumIOps", self.io_maximum_iops);
    field("IOMaximumBandwidth", self.io_maximum_bandwidth);
  }
};

struct LogConfig {
  std::string type;
  std::map<std::string, std::string> config;
  static void describe(auto& self, auto&& field) {
    field("Type", self.type);
    field("Config", self.config);
  }
};

struct PortBinding {
  std::string host_ip, host_port;  ///< host_port: "", "8080" or "8000-8010"
  static void describe(auto& self, auto&& field) {
    field("HostIp", self.host_ip);
    field("HostPort", self.host_port);
  }
  bool operator==(const PortBinding&) const = default;
};
/// "80/tcp" to where it is published on the host.
using PortMap = std::map<std::string, Given<std::vector<PortBinding>>>;

struct RestartPolicy {
  std::string name;  ///< "", no, always, unless-stopped, on-failure
  std::int64_t maximum_retry_count = 0;
  static void describe(auto& self, auto&& field) {
    field("Name", self.name);
    field("MaximumRetryCount", self.maximum_retry_count);
  }
};

struct BindOptions {
  std::string propagation;
  bool non_recursive = false, create_mountpoint = false, read_only_non_recursive = false,
       read_only_force_recursive = false;
  static void describe(auto& self, auto&& field) {
    field("Propagation", self.propagation, json::omit_empty);
    field("NonRecursive", self.non_recursive, json::omit_empty);
    field("CreateMountpoint", self.create_mountpoint, json::omit_empty);
    field("ReadOnlyNonRecursive", self.read_only_non_recursive, json::omit_empty);
    field("ReadOnlyForceRecursive", self.read_only_force_recursive, json::omit_empty);
  }
};

struct VolumeDriverConfig {
  std::string name;
  std::map<std::string, std::string> options;
  static void describe(auto& self, auto&& field) {
    field("Name", self.name, json::omit_empty);
    field("Options", self.options, json::omit_empty);
  }
};

struct VolumeOptions {
  bool no_copy = false;
  std::map<std::string, std::string> labels;
  std::optional<VolumeDriverConfig> driver_config;
  std::string subpath;
  static void describe(auto& self, auto&& field) {
    field("NoCopy", self.no_copy, json::omit_empty);
    field("Labels", self.labels, json::omit_empty);
    field("DriverConfig", self.driver_config, json::omit_empty);
    field("Subpath", self.subpath, json::omit_empty);
  }
};

struct TmpfsOptions {
  std::int64_t size_bytes = 0;
  std::uint32_t mode = 0;
  std::vector<std::vector<std::string>> options;
  static void describe(auto& self, auto&& field) {
    field("SizeBytes", self.size_bytes, json::omit_empty);
    field("Mode", self.mode, json::omit_empty);
    field("Options", self.options, json::omit_empty);
  }
};

/// HostConfig.Mounts (`--mount`).
struct Mount {
  std::string type, source, target;  ///< type: bind, volume, tmpfs, npipe, cluster, image
  bool read_only = false;
  std::string consistency;
  std::optional<BindOptions> bind_options;
  std::optional<VolumeOptions> volume_options;
  std::optional<TmpfsOptions> tmpfs_options;
  static void describe(auto& self, auto&& field) {
    field("Type", self.type, json::omit_empty);
    field("Source", self.source, json::omit_empty);
    field("Target", self.target, json::omit_empty);
    field("ReadOnly", self.read_only, json::omit_empty);
    field("Consistency", self.consistency, json::omit_empty);
    field("BindOptions", self.bind_options, json::omit_empty);
    field("VolumeOptions", self.volume_options, json::omit_empty);
    field("TmpfsOptions", self.tmpfs_options, json::omit_empty);
  }
};

/// Height and width of a terminal; [0,0] where nobody has said.
struct ConsoleSize {
  std::uint64_t height = 0, width = 0;
  static void read_json(const boost::json::value& in, ConsoleSize& out);
  static void write_json(std::string& out, const ConsoleSize& value);
};

/// The part of a container's configuration that belongs to one host.
struct HostConfig : Resources {
  static constexpr std::string_view kGoName = "HostConfig";
  Given<std::vector<std::string>> binds;  ///< "source:target[:options]"
  std::string container_id_file;
  LogConfig log_config;
  std::string network_mode;  ///< default, bridge, host, none, container:<id>, or a network's name
  Given<PortMap> port_bindings;
  RestartPolicy restart_policy;
  bool auto_remove = false;
  std::string volume_driver;
  Given<std::vector<std::string>> volumes_from;
  ConsoleSize console_size;
  std::map<std::string, std::string> annotations;
  Given<std::vector<std::string>> cap_add, cap_drop;
  std::string cgroupns_mode;  ///< private, host
  Given<std::vector<std::string>> dns, dns_options, dns_search, extra_hosts, group_add;
  std::string ipc_mode;  ///< none, private, shareable, host, container:<id>
  std::string cgroup;
  Given<std::vector<std::string>> links;
  std::int64_t oom_score_adj = 0;
  std::string pid_mode;  ///< "", host, container:<id>
  bool privileged = false, publish_all_ports = false, readonly_rootfs = false;
  Given<std::vector<std::string>> security_opt;
  std::map<std::string, std::string> storage_opt;
  std::map<std::string, std::string> tmpfs;  ///< container path to mount options
  std::string uts_mode, userns_mode;
  std::int64_t shm_size = 0;  ///< bytes; 0 when created: 64 MiB
  std::map<std::string, std::string> sysctls;
  std::string runtime;
  std::string isolation;
  std::vector<Mount> mounts;
  std::optional<std::vector<std::string>> masked_paths, readonly_paths;
  std::optional<bool> init;

  static void describe(auto& self, auto&& field) {
    Resources::describe(self, field);
    field("Binds", self.binds);
    field("ContainerIDFile", self.container_id_file);
    field("LogConfig", self.log_config);
    field("NetworkMode", self.network_mode);
    field("PortBindings", self.port_bindings);
    field("RestartPolicy", self.restart_policy);
    field("AutoRemove", self.auto_remove);
    field("VolumeDriver", self.volume_driver);
    field("VolumesFrom", self.volumes_from);
    field("ConsoleSize", self.console_size);
    field("Annotations", self.annotations, json::omit_empty);
    field("CapAdd", self.cap_add);
    field("CapDrop", self.cap_drop);
    field("CgroupnsMode", self.cgroupns_mode);
    field("Dns", self.dns);
    field("DnsOptions", self.dns_options);
    field("DnsSearch", self.dns_search);
    field("ExtraHosts", self.extra_hosts);
    field("GroupAdd", self.group_add);
    field("IpcMode", self.ipc_mode);
    field("Cgroup", self.cgroup);
    field("Links", self.links);
    field("OomScoreAdj", self.oom_score_adj);
    field("PidMode", self.pid_mode);
    field("Privileged", self.privileged);
    field("PublishAllPorts", self.publish_all_ports);
    field("ReadonlyRootfs", self.readonly_rootfs);
    field("SecurityOpt", self.security_opt);
    field("StorageOpt", self.storage_opt, json::omit_empty);
    field("Tmpfs", self.tmpfs, json::omit_empty);
    field("UTSMode", self.uts_mode);
    field("UsernsMode", self.userns_mode);
    field("ShmSize", self.shm_size);
    field("Sysctls", self.sysctls, json::omit_empty);
    field("Runtime", self.runtime);
    field("Isolation", self.isolation);
    field("Mounts", self.mounts, json::omit_empty);
    field("MaskedPaths", self.masked_paths);
    field("ReadonlyPaths", self.readonly_paths);
    field("Init", self.init, json::omit_empty);
  }
};

/// One network of NetworkingConfig.EndpointsConfig and NetworkSettings.Networks.
struct EndpointIpamConfig {
  std::string ipv4_address, ipv6_address;
  std::vector<std::string> link_local_ips;
  static void describe(auto& self, auto&& field) {
    field("IPv4Address", self.ipv4_address, json::omit_empty);
    field("IPv6Address", self.ipv6_address, json::omit_empty);
    field("LinkLocalIPs", self.link_local_ips, json::omit_empty);
  }
};

struct EndpointSettings {
  std::optional<EndpointIpamConfig> ipam_config;
  std::vector<std::string> links, aliases;
  std::string mac_address;
  std::map<std::string, std::string> driver_opts;
  std::int64_t gw_priority = 0;
  std::string network_id, endpoint_id, gateway, ip_address;
  std::int64_t ip_prefix_len = 0;
  std::string ipv6_gateway, global_ipv6_address;
  std::int64_t global_ipv6_prefix_len = 0;
  std::vector<std::string> dns_names;
  static void describe(auto& self, auto&& field) {
    field("IPAMConfig", self.ipam_config);
    field("Links", self.links, json::null_if_empty);
    field("Aliases", self.aliases, json::null_if_empty);
    field("MacAddress", self.mac_address);
    field("DriverOpts", self.driver_opts, json::null_if_empty);
    field("GwPriority", self.gw_priority);
    field("NetworkID", self.network_id);
    field("EndpointID", self.endpoint_id);
    field("Gateway", self.gateway);
    field("IPAddress", self.ip_address);
    field("IPPrefixLen", self.ip_prefix_len);
    field("IPv6Gateway", self.ipv6_gateway);
    field("GlobalIPv6Address", self.global_ipv6_address);
    field("GlobalIPv6PrefixLen", self.global_ipv6_prefix_len);
    field("DNSNames", self.dns_names, json::null_if_empty);
  }
};

struct NetworkingConfig {
  std::map<std::string, EndpointSettings> endpoints_config;
  static void describe(auto& self, auto&& field) { field("EndpointsConfig", self.endpoints_config); }
};

/// Body of POST /containers/create: Config's fields with HostConfig and NetworkingConfig beside them.
struct CreateRequest : Config {
  HostConfig host_config;
  NetworkingConfig networking_config;
  static void describe(auto& self, auto&& field) {
    Config::describe(self, field);
    field("HostConfig", self.host_config);
    field("NetworkingConfig", self.networking_config);
  }
};

}  // namespace berth::container
