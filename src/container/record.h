#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "container/config.h"
#include "container/health.h"

namespace berth::container {

enum class Status : std::uint8_t { created, running, paused, restarting, removing, exited, dead };
std::string_view to_string(Status status);  ///< Docker's words: "created", "running", …

/// A container's life so far, as `State` of inspect shows it. Times are nanoseconds since the epoch, 0: never.
struct State {
  Status status = Status::created;
  std::int32_t pid = 0;           ///< of init, in the daemon's pid namespace; 0 when not running
  std::uint64_t start_ticks = 0;  ///< with pid, init's identity
  std::int32_t exit_code = 0;
  bool oom_killed = false, dead = false;
  std::string error;  ///< why the last start failed
  std::int64_t started_at = 0, finished_at = 0;
  std::int64_t restart_count = 0;
  bool manually_stopped = false;  ///< by stop or kill, since its start: `unless-stopped` heeds it
  std::optional<Health> health;   ///< once a container with a health check has been started
  std::uint64_t log_dropped = 0;  ///< log entries that ended runs have lost
  std::uint64_t log_unsent = 0;   ///< log entries that wait in the file for the next run to send them
  static void describe(auto& self, auto&& field) {
    field("status", self.status);
    field("pid", self.pid);
    field("start_ticks", self.start_ticks);
    field("exit_code", self.exit_code);
    field("oom_killed", self.oom_killed);
    field("dead", self.dead);
    field("error", self.error);
    field("started_at", self.started_at);
    field("finished_at", self.finished_at);
    field("restart_count", self.restart_count);
    field("manually_stopped", self.manually_stopped);
    field("health", self.health);
    field("log_dropped", self.log_dropped);
    field("log_unsent", self.log_unsent);
  }
  bool running() const { return status == Status::running || status == Status::paused; }
};

/// One entry of inspect's `Mounts`: what is mounted where, after binds, --mount, image volumes and volumes-from.
struct MountPoint {
  std::string type, name, source, destination, driver, mode;  ///< type: bind, volume, tmpfs
  bool rw = true;
  std::string propagation;
  bool non_recursive = false, no_copy = false, anonymous = false;  ///< anonymous: goes with `rm -v` and --rm
  bool create_source = false;                                      ///< a bind from -v: make a missing host folder
  bool read_only_non_recursive = false, read_only_force_recursive = false;  ///< binds that are not rw
  std::string subpath;
  std::string tmpfs_options;  ///< type tmpfs: mount data, "size=64m,mode=1777"
  static void describe(auto& self, auto&& field) {
    field("type", self.type);
    field("name", self.name);
    field("source", self.source);
    field("destination", self.destination);
    field("driver", self.driver);
    field("mode", self.mode);
    field("rw", self.rw);
    field("propagation", self.propagation);
    field("non_recursive", self.non_recursive);
    field("no_copy", self.no_copy);
    field("anonymous", self.anonymous);
    field("create_source", self.create_source);
    field("read_only_non_recursive", self.read_only_non_recursive);
    field("read_only_force_recursive", self.read_only_force_recursive);
    field("subpath", self.subpath);
    field("tmpfs_options", self.tmpfs_options);
  }
};

/// Everything the daemon keeps about a container: one row of the state database.
struct Record {
  std::string id, name;      ///< name without the leading slash
  std::int64_t created = 0;  ///< nanoseconds since the epoch
  std::string path;          ///< program and its arguments, after entrypoint and cmd
  std::vector<std::string> args;
  Config config;                ///< as asked, completed from the image
  HostConfig host_config;       ///< as asked, completed with defaults
  NetworkingConfig networking;  ///< as asked
  std::string image_id, image_name, platform;
  std::vector<std::string> chain_ids;  ///< of the image's layers, bottom first
  std::vector<MountPoint> mount_points;
  State state;
  std::string log_path;   ///< "" unless the driver is json-file, as Docker shows it
  std::string endpoints;  ///< what it has on networks now: JSON list of network::Endpoint, kept by the engine
  static void describe(auto& self, auto&& field) {
    field("id", self.id);
    field("name", self.name);
    field("created", self.created);
    field("path", self.path);
    field("args", self.args);
    field("config", self.config);
    field("host_config", self.host_config);
    field("networking", self.networking);
    field("image_id", self.image_id);
    field("image_name", self.image_name);
    field("platform", self.platform);
    field("chain_ids", self.chain_ids);
    field("mount_points", self.mount_points);
    field("state", self.state);
    field("log_path", self.log_path);
    field("endpoints", self.endpoints);
  }
};

}  // namespace berth::container
