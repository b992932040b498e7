#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "container/record.h"
#include "engine/container_setup.h"
#include "oci/runtime_spec.h"

/// The pieces of container_setup.h, one file each; for this folder alone.
namespace berth::engine::setup {

// capabilities.cc
/// Throws invalid (`invalid CapAdd: unknown capability: "CAP_FOO"`).
void check_capabilities(const container::HostConfig& host_config);
/// What the container gets: Docker's default set, tweaked; never more than this process has itself.
std::vector<std::string> capabilities_of(const container::HostConfig& host_config);
/// Those that this process may hand on, "CAP_CHOWN" first.
const std::vector<std::string>& available_capabilities();

// devices.cc
struct Devices {
  std::vector<oci::Device> nodes;
  std::vector<oci::DeviceRule> rules;
};
/// Nodes to make besides the runtime's own (null, zero, …), and the whole list of rules. Looks at the host's /dev;
/// throws system (`error gathering device information while adding custom device "/dev/x": no such file or directory`).
Devices devices_of(const container::HostConfig& host_config);
/// "c 10:* rwm"; throws invalid "invalid device cgroup rule format: 'x'".
oci::DeviceRule parse_device_rule(const std::string& text);
/// Throws invalid for permissions other than of r, w, m, and for paths that are not absolute.
void check_devices(const container::HostConfig& host_config);

// limits.cc
/// Docker's checks of ceilings and shares; adds warnings and drops what this kernel cannot do.
void check_resources(container::Resources& resources, const HostFeatures& host, bool update,
                     std::vector<std::string>& warnings);
oci::Resources resources_of(const container::Resources& resources);
std::vector<oci::Rlimit> rlimits_of(const std::vector<container::Ulimit>& ulimits);
void check_ulimits(const std::vector<container::Ulimit>& ulimits);

// log.cc
/// Driver and options; throws invalid ("logger: no log driver named 'x' is registered") and not_implemented.
void check_log(const container::LogConfig& log);
/// Driver and options of the daemon, where the container has none of its own.
void default_log(container::LogConfig& log, const container::LogConfig& defaults);

// mount_points.cc
/// One of HostConfig.Mounts; throws invalid (`invalid mount config for type "bind": …`).
container::MountPoint parse_mount(const container::Mount& mount);
/// One of HostConfig.Binds; throws invalid ("invalid volume specification: 'x'").
container::MountPoint parse_bind(const std::string& bind, const std::string& volume_driver);
/// A destination of --tmpfs; throws invalid.
void check_tmpfs_destination(const std::string& destination);
/// mount(8) options of a tmpfs: Docker's own, overridden by `data` ("size=64m,exec"); throws invalid.
std::vector<std::string> tmpfs_options(const std::string& data);
/// Lexically normal, as Go's path.Clean: no "//", ".", ".." or final slash.
std::string clean_path(std::string_view path);

// propagation.cc
struct MountOfPath {
  std::string mount_point;
  bool shared = false;
};
/// The mount that a path without symlinks lies in, from the text of /proc/self/mountinfo.
MountOfPath find_mount(std::string_view mountinfo, std::string_view path);

// spec_mounts.cc
std::vector<oci::Mount> mounts_of(const container::Record& record, const SetupFacts& facts);

// security.cc
struct SecurityOptions {
  bool no_new_privileges = false;
  bool unconfined_system_paths = false;
  std::optional<bool> writable_cgroups;
  std::string apparmor;  ///< profile's name; "" none given
  std::string seccomp;   ///< "unconfined", "builtin", a profile's JSON, or "" none given
  std::vector<std::string> labels;
};
/// Throws invalid (`invalid --security-opt 2: "x"`).
SecurityOptions parse_security_options(const container::HostConfig& host_config, const SetupDefaults& defaults);

// sysctls.cc
/// Only what belongs to a namespace of the container's own; throws invalid.
void check_sysctls(const container::HostConfig& host_config);

// modes.cc
/// The namespace modes and what cannot go together; throws invalid with Docker's texts.
void check_modes(const container::CreateRequest& request);
bool is_container_mode(std::string_view mode);  ///< "container:<id>"

const std::vector<std::string>& default_masked_paths();
const std::vector<std::string>& default_readonly_paths();

}  // namespace berth::engine::setup
