#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "container/record.h"
#include "image/image_store.h"
#include "oci/runtime_spec.h"
#include "runtime/shim/protocol.h"

/// From what a user asked to what the runtime is told. Pure functions: no state, no root, unit-tested.
namespace berth::engine {

/// What the daemon's flags and the host decide for every container.
struct SetupDefaults {
  std::vector<container::Ulimit> default_ulimits;          ///< --default-ulimit
  container::LogConfig log_config{.type = "json-file", .config = {}};  ///< --log-driver, --log-opt
  std::string cgroup_parent = "/berth";
  std::string default_shm_size_bytes = "67108864";
  std::string ipc_mode = "private";                        ///< --default-ipc-mode
  std::string cgroupns_mode = "host";                      ///< Docker: host on cgroup v1, private on v2
  bool init = false;                                       ///< --init
  bool no_new_privileges = false;                          ///< --no-new-privileges
  std::string seccomp_profile;                             ///< --seccomp-profile: file, "unconfined", "" built in
  std::string architecture = "amd64";
};

/// Checks a create request as dockerd does and completes it in place: defaults, image's config merged under the
/// user's. Throws invalid/not_found/conflict with Docker's texts; adds Docker's warnings. `name` is without slash and may be "".
void prepare_create(container::CreateRequest& request, const image::ResolvedImage& image,
                    const SetupDefaults& defaults, std::vector<std::string>& warnings);
/// Before an image is looked up: what can be refused at once (missing command is found later, by prepare_create).
void check_create(const container::CreateRequest& request, const std::string& name);

/// Program and arguments from entrypoint and cmd; throws invalid "no command specified".
std::pair<std::string, std::vector<std::string>> program_of(const container::Config& config);

/// Mount points from Binds, Mounts, Tmpfs, image volumes and VolumesFrom (records looked up by the caller). Volumes
/// that have no name yet get a random one and `anonymous`. Throws as dockerd ("Duplicate mount point: /x").
std::vector<container::MountPoint> resolve_mount_points(
    const container::CreateRequest& request, const std::map<std::string, const container::Record*>& volumes_from);

/// Facts of one start that only the engine knows.
struct SetupFacts {
  std::string container_dir;                ///< <data root>/containers/<id>: hosts, hostname, resolv.conf lie there
  std::map<std::string, std::string> volume_paths;  ///< volume name to host folder
  std::string hostname;
  std::string netns_path;                   ///< network container:ID / host: namespace to join ("" own)
  std::string ipc_path, pid_path;           ///< ipc/pid container:ID: /proc/PID/ns/…
  std::string shm_dir;                      ///< host folder to bind at /dev/shm for ipc container:ID; "" for own tmpfs
  bool own_network = true;                  ///< false with host and container: networks
};
oci::Spec build_spec(const container::Record& record, const SetupDefaults& defaults, const SetupFacts& facts);

/// The filter for this container, compiled (cached by content): sock_filter array as bytes, "" for unconfined.
std::string seccomp_program(const container::Record& record, const SetupDefaults& defaults, const oci::Spec& spec);

}  // namespace berth::engine
