#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json/json.h"

/// The OCI runtime specification's config.json (v1.2) as plain values: what the engine asks of a runtime. The parts
/// that only other systems use (Windows, Solaris, VM) are left out.
/// Spec: opencontainers/runtime-spec config.md and config-linux.md.
namespace berth::oci {

struct Box {
  std::uint64_t height = 0, width = 0;
  static void describe(auto& self, auto&& field) {
    field("height", self.height);
    field("width", self.width);
  }
};

struct User {
  std::uint32_t uid = 0, gid = 0;
  std::optional<std::uint32_t> umask;
  std::vector<std::uint32_t> additional_gids;
  /// Docker's "name-or-uid[:group-or-gid]" to be looked up in the container's own /etc/passwd and /etc/group by the
  /// runtime; Berth's extension, "" when uid and gid above are final. Not part of config.json.
  std::string lookup;
  std::vector<std::string> lookup_groups;  ///< --group-add, likewise
  static void describe(auto& self, auto&& field) {
    field("uid", self.uid);
    field("gid", self.gid);
    field("umask", self.umask, json::omit_empty);
    field("additionalGids", self.additional_gids, json::omit_empty);
    field("org.berth.lookup", self.lookup, json::omit_empty);
    field("org.berth.lookupGroups", self.lookup_groups, json::omit_empty);
  }
};

struct Capabilities {
  std::vector<std::string> bounding, effective, inheritable, permitted, ambient;  ///< "CAP_CHOWN"
  static void describe(auto& self, auto&& field) {
    field("bounding", self.bounding, json::omit_empty);
    field("effective", self.effective, json::omit_empty);
    field("inheritable", self.inheritable, json::omit_empty);
    field("permitted", self.permitted, json::omit_empty);
    field("ambient", self.ambient, json::omit_empty);
  }
};

struct Rlimit {
  std::string type;  ///< "RLIMIT_NOFILE"
  std::uint64_t hard = 0, soft = 0;
  static void describe(auto& self, auto&& field) {
    field("type", self.type);
    field("hard", self.hard);
    field("soft", self.soft);
  }
};

struct Process {
  bool terminal = false;
  std::optional<Box> console_size;
  User user;
  std::vector<std::string> args, env;
  std::string cwd = "/";
  std::optional<Capabilities> capabilities;
  std::vector<Rlimit> rlimits;
  bool no_new_privileges = false;
  std::string apparmor_profile, selinux_label;
  std::optional<std::int64_t> oom_score_adj;
  static void describe(auto& self, auto&& field) {
    field("terminal", self.terminal, json::omit_empty);
    field("consoleSize", self.console_size, json::omit_empty);
    field("user", self.user);
    field("args", self.args);
    field("env", self.env, json::omit_empty);
    field("cwd", self.cwd);
    field("capabilities", self.capabilities, json::omit_empty);
    field("rlimits", self.rlimits, json::omit_empty);
    field("noNewPrivileges", self.no_new_privileges, json::omit_empty);
    field("apparmorProfile", self.apparmor_profile, json::omit_empty);
    field("selinuxLabel", self.selinux_label, json::omit_empty);
    field("oomScoreAdj", self.oom_score_adj, json::omit_empty);
  }
};

struct Root {
  std::string path;
  bool readonly = false;
  static void describe(auto& self, auto&& field) {
    field("path", self.path);
    field("readonly", self.readonly, json::omit_empty);
  }
};

struct IdMapping {
  std::uint32_t container_id = 0, host_id = 0, size = 0;
  static void describe(auto& self, auto&& field) {
    field("containerID", self.container_id);
    field("hostID", self.host_id);
    field("size", self.size);
  }
};

/// One mount, in the order to be made. `options` as in mount(8) plus rbind, rprivate…, "tmpcopyup" (fill a new tmpfs
/// with what the image has there).
struct Mount {
  std::string destination, type, source;
  std::vector<std::string> options;
  std::vector<IdMapping> uid_mappings, gid_mappings;
  static void describe(auto& self, auto&& field) {
    field("destination", self.destination);
    field("type", self.type, json::omit_empty);
    field("source", self.source, json::omit_empty);
    field("options", self.options, json::omit_empty);
    field("uidMappings", self.uid_mappings, json::omit_empty);
    field("gidMappings", self.gid_mappings, json::omit_empty);
  }
};

/// A namespace to make (path "") or to join. type: pid network mount ipc uts user cgroup time.
struct Namespace {
  std::string type, path;
  static void describe(auto& self, auto&& field) {
    field("type", self.type);
    field("path", self.path, json::omit_empty);
  }
};

struct Device {
  std::string type, path;  ///< type: c, b, u, p
  std::int64_t major = 0, minor = 0;
  std::optional<std::uint32_t> file_mode, uid, gid;
  static void describe(auto& self, auto&& field) {
    field("type", self.type);
    field("path", self.path);
    field("major", self.major);
    field("minor", self.minor);
    field("fileMode", self.file_mode, json::omit_empty);
    field("uid", self.uid, json::omit_empty);
    field("gid", self.gid, json::omit_empty);
  }
};

struct DeviceRule {
  bool allow = false;
  std::string type;                          ///< a, c, b; "" is a
  std::optional<std::int64_t> major, minor;  ///< absent: any
  std::string access;                        ///< of r, w, m
  static void describe(auto& self, auto&& field) {
    field("allow", self.allow);
    field("type", self.type, json::omit_empty);
    field("major", self.major, json::omit_empty);
    field("minor", self.minor, json::omit_empty);
    field("access", self.access, json::omit_empty);
  }
};

struct MemoryLimits {
  std::optional<std::int64_t> limit, reservation, swap;  ///< bytes; swap is memory plus swap; -1: no ceiling
  std::optional<std::uint64_t> swappiness;
  std::optional<bool> disable_oom_killer;
  static void describe(auto& self, auto&& field) {
    field("limit", self.limit, json::omit_empty);
    field("reservation", self.reservation, json::omit_empty);
    field("swap", self.swap, json::omit_empty);
    field("swappiness", self.swappiness, json::omit_empty);
    field("disableOOMKiller", self.disable_oom_killer, json::omit_empty);
  }
};

struct CpuLimits {
  std::optional<std::uint64_t> shares, period, realtime_period;
  std::optional<std::int64_t> quota, realtime_runtime;
  std::string cpus, mems;
  static void describe(auto& self, auto&& field) {
    field("shares", self.shares, json::omit_empty);
    field("quota", self.quota, json::omit_empty);
    field("period", self.period, json::omit_empty);
    field("realtimeRuntime", self.realtime_runtime, json::omit_empty);
    field("realtimePeriod", self.realtime_period, json::omit_empty);
    field("cpus", self.cpus, json::omit_empty);
    field("mems", self.mems, json::omit_empty);
  }
};

struct PidsLimits {
  std::int64_t limit = 0;  ///< <= 0: no ceiling
  static void describe(auto& self, auto&& field) { field("limit", self.limit); }
};

struct WeightDevice {
  std::int64_t major = 0, minor = 0;
  std::optional<std::uint16_t> weight, leaf_weight;
  static void describe(auto& self, auto&& field) {
    field("major", self.major);
    field("minor", self.minor);
    field("weight", self.weight, json::omit_empty);
    field("leafWeight", self.leaf_weight, json::omit_empty);
  }
};

struct ThrottleDevice {
  std::int64_t major = 0, minor = 0;
  std::uint64_t rate = 0;
  static void describe(auto& self, auto&& field) {
    field("major", self.major);
    field("minor", self.minor);
    field("rate", self.rate);
  }
};

struct BlockIoLimits {
  std::optional<std::uint16_t> weight, leaf_weight;
  std::vector<WeightDevice> weight_device;
  std::vector<ThrottleDevice> read_bps, write_bps, read_iops, write_iops;
  static void describe(auto& self, auto&& field) {
    field("weight", self.weight, json::omit_empty);
    field("leafWeight", self.leaf_weight, json::omit_empty);
    field("weightDevice", self.weight_device, json::omit_empty);
    field("throttleReadBpsDevice", self.read_bps, json::omit_empty);
    field("throttleWriteBpsDevice", self.write_bps, json::omit_empty);
    field("throttleReadIOPSDevice", self.read_iops, json::omit_empty);
    field("throttleWriteIOPSDevice", self.write_iops, json::omit_empty);
  }
};

struct Resources {
  std::vector<DeviceRule> devices;  ///< later rules win; the first is usually "deny a"
  std::optional<MemoryLimits> memory;
  std::optional<CpuLimits> cpu;
  std::optional<PidsLimits> pids;
  std::optional<BlockIoLimits> block_io;
  std::map<std::string, std::string> unified;  ///< cgroup v2 file to content
  static void describe(auto& self, auto&& field) {
    field("devices", self.devices, json::omit_empty);
    field("memory", self.memory, json::omit_empty);
    field("cpu", self.cpu, json::omit_empty);
    field("pids", self.pids, json::omit_empty);
    field("blockIO", self.block_io, json::omit_empty);
    field("unified", self.unified, json::omit_empty);
  }
};

struct Linux {
  std::vector<IdMapping> uid_mappings, gid_mappings;
  std::map<std::string, std::string> sysctl;
  std::optional<Resources> resources;
  std::string cgroups_path;  ///< below each hierarchy's root: "/berth/<id>"
  std::vector<Namespace> namespaces;
  std::vector<Device> devices;
  std::string rootfs_propagation;
  std::vector<std::string> masked_paths, readonly_paths;
  std::string mount_label;
  static void describe(auto& self, auto&& field) {
    field("uidMappings", self.uid_mappings, json::omit_empty);
    field("gidMappings", self.gid_mappings, json::omit_empty);
    field("sysctl", self.sysctl, json::omit_empty);
    field("resources", self.resources, json::omit_empty);
    field("cgroupsPath", self.cgroups_path, json::omit_empty);
    field("namespaces", self.namespaces, json::omit_empty);
    field("devices", self.devices, json::omit_empty);
    field("rootfsPropagation", self.rootfs_propagation, json::omit_empty);
    field("maskedPaths", self.masked_paths, json::omit_empty);
    field("readonlyPaths", self.readonly_paths, json::omit_empty);
    field("mountLabel", self.mount_label, json::omit_empty);
  }
};

struct Spec {
  std::string oci_version = "1.2.0";
  Process process;
  Root root;
  std::string hostname, domainname;
  std::vector<Mount> mounts;
  Linux linux_;
  std::map<std::string, std::string> annotations;
  static void describe(auto& self, auto&& field) {
    field("ociVersion", self.oci_version);
    field("process", self.process);
    field("root", self.root);
    field("hostname", self.hostname, json::omit_empty);
    field("domainname", self.domainname, json::omit_empty);
    field("mounts", self.mounts, json::omit_empty);
    field("linux", self.linux_);
    field("annotations", self.annotations, json::omit_empty);
  }
};

}  // namespace berth::oci
