#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "container/record.h"
#include "engine/host_features.h"
#include "image/image_store.h"
#include "oci/runtime_spec.h"
#include "runtime/shim/protocol.h"

namespace berth::runtime::seccomp {
class Cache;
}

/// From what a user asked to what the runtime is told. Pure functions: no state, no root, unit-tested.
namespace berth::engine {

/// What the daemon's flags and the host decide for every container.
struct SetupDefaults {
  std::vector<container::Ulimit> default_ulimits;                      ///< --default-ulimit
  container::LogConfig log_config{.type = "json-file", .config = {}};  ///< --log-driver, --log-opt
  std::string cgroup_parent = "/berth";
  std::string default_shm_size_bytes = "67108864";
  std::string ipc_mode = "private";    ///< --default-ipc-mode
  std::string cgroupns_mode = "host";  ///< Docker: host on cgroup v1, private on v2
  bool init = false;                   ///< --init
  bool no_new_privileges = false;      ///< --no-new-privileges
  std::string seccomp_profile;         ///< --seccomp-profile: file, "unconfined", "" built in
  std::string architecture = "amd64";
  HostFeatures host;                                                            ///< detect_host_features()
  std::vector<std::string> runtimes{"berth", "runc", "io.containerd.runc.v2"};  ///< names that --runtime takes
  std::string default_runtime = "berth";
  /// <data root>/seccomp; without one, each start compiles its filter (15 ms).
  std::shared_ptr<runtime::seccomp::Cache> seccomp_cache;
};

/// Checks a create request against this host and completes it in place: defaults, image's config merged under the
/// user's. Throws invalid with Docker's texts; adds Docker's warnings. Left to the caller: hostname (the ID's first 12
/// digits when it is ""), names in container:<name> modes to be turned into IDs.
void prepare_create(container::CreateRequest& request, const image::ResolvedImage& image, const SetupDefaults& defaults,
                    std::vector<std::string>& warnings);
/// The user's values win; what he did not give comes from the image.
void merge_config(container::Config& config, const oci::ContainerConfig& image);
/// Before an image is looked up: what can be refused at once (a missing command is found later, by prepare_create).
/// `name` may be "" (none given) and may have Docker's leading slash. Throws invalid and not_implemented.
void check_create(const container::CreateRequest& request, const std::string& name);

/// Masked and read-only paths as inspect shows them: a record holds only those that are not the default.
void add_default_paths(container::HostConfig& host_config);

/// Program and arguments from entrypoint and cmd; throws invalid "no command specified".
std::pair<std::string, std::vector<std::string>> program_of(const container::Config& config);

/// Mount points from Binds, Mounts, Tmpfs, image volumes and VolumesFrom (records looked up by the caller). Volumes
/// that have no name yet get a random one and `anonymous`; `source` of a volume stays "" for the caller to fill in.
/// A missing host folder of a bind with `create_source` is the caller's to make. Throws as dockerd ("Duplicate mount
/// point: /x").
std::vector<container::MountPoint> resolve_mount_points(
    const container::CreateRequest& request, const std::map<std::string, const container::Record*>& volumes_from);

/// POST /containers/{id}/update: as at creation, with the new values merged by the caller.
void check_update(container::Resources& resources, const SetupDefaults& defaults, std::vector<std::string>& warnings);
/// Memory, CPU, pids and block I/O ceilings as the runtime takes them (no device rules).
oci::Resources limits_of(const container::Resources& resources);

/// Where and how the shim keeps the container's log, from its log driver and options (checked by prepare_create).
runtime::shim::LogTarget log_target_of(const container::Record& record);

/// One of HostConfig.VolumesFrom, "name[:mode]": the container's name or ID as written, and its mode ("rw" without
/// one). Throws invalid. The keys of resolve_mount_points' map are these names.
std::pair<std::string, std::string> parse_volumes_from(const std::string& spec);

/// Whether berth-init is to be the container's pid 1: asked for (--init, or the daemon's) and a pid namespace of its
/// own.
bool wants_init(const container::HostConfig& host_config, const SetupDefaults& defaults);

/// Facts of one start that only the engine knows.
struct SetupFacts {
  /// <data root>/containers/<id>: hosts, hostname, resolv.conf lie there. With the network of another container that
  /// one's folder, since these files are shared too. "" binds none.
  std::string container_dir;
  std::map<std::string, std::string> volume_paths;  ///< volume name to host folder
  std::string hostname;
  std::string netns_path;          ///< network container:ID / host: namespace to join ("" own)
  std::string ipc_path, pid_path;  ///< ipc/pid container:ID: /proc/PID/ns/…
  /// Host folder to bind at /dev/shm for ipc container:ID (/proc/PID/root/dev/shm); "" for an own tmpfs, and for ipc
  /// host, where it is the host's.
  std::string shm_dir;
  bool own_network = true;  ///< false with host and container: networks
};
/// At each start, for a pool thread: a bind that is to be shared must lie on a shared mount. Throws system ("path /x is
/// mounted on / but it is not a shared mount").
void check_shared_binds(const container::Record& record);
oci::Spec build_spec(const container::Record& record, const SetupDefaults& defaults, const SetupFacts& facts);
/// The process alone, for an exec: of the facts only the hostname counts.
oci::Process build_process(const container::Record& record, const SetupDefaults& defaults, const SetupFacts& facts);

/// Of its mounts those that hold files on the host: binds, volumes, /etc/hosts and the like. For looking at a container
/// that does not run, so nothing propagates.
std::vector<oci::Mount> file_mounts(const container::Record& record, const SetupFacts& facts);

/// The filter for this container, compiled (cached by content): sock_filter array as bytes, "" for unconfined.
/// Blocks for milliseconds where the filter is not cached yet.
std::string seccomp_program(const container::Record& record, const SetupDefaults& defaults, const oci::Spec& spec);
/// Fills the cache with the default container's filter; for a pool thread at the daemon's start.
void warm_seccomp(const SetupDefaults& defaults);

}  // namespace berth::engine
