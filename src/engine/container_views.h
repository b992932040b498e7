#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/core/time.h"
#include "container/record.h"
#include "engine/containers.h"
#include "engine/filters.h"
#include "image/views.h"
#include "network/network.h"

/// Containers as the API shows them. Spec: docker-engine-api-v1.51.yaml, ContainerInspectResponse, ContainerSummary,
/// ExecInspectResponse. Pure: records and endpoints in, plain structs out.
namespace berth::engine {

struct HealthResult {
  std::string start, end;  ///< RFC 3339
  std::int64_t exit_code = 0;
  std::string output;
  static void describe(auto& self, auto&& field) {
    field("Start", self.start);
    field("End", self.end);
    field("ExitCode", self.exit_code);
    field("Output", self.output);
  }
};

struct HealthView {
  std::string status;  ///< none, starting, healthy, unhealthy
  std::int64_t failing_streak = 0;
  std::vector<HealthResult> log;
  static void describe(auto& self, auto&& field) {
    field("Status", self.status);
    field("FailingStreak", self.failing_streak);
    field("Log", self.log);
  }
};

struct StateView {
  std::string status;
  bool running = false, paused = false, restarting = false, oom_killed = false, dead = false;
  std::int64_t pid = 0, exit_code = 0;
  std::string error, started_at, finished_at;
  std::optional<HealthView> health;
  static void describe(auto& self, auto&& field) {
    field("Status", self.status);
    field("Running", self.running);
    field("Paused", self.paused);
    field("Restarting", self.restarting);
    field("OOMKilled", self.oom_killed);
    field("Dead", self.dead);
    field("Pid", self.pid);
    field("ExitCode", self.exit_code);
    field("Error", self.error);
    field("StartedAt", self.started_at);
    field("FinishedAt", self.finished_at);
    field("Health", self.health, json::omit_empty);
  }
};

/// One entry of `Mounts`.
struct MountView {
  std::string type, name, source, destination, driver, mode;
  bool rw = true;
  std::string propagation;
  static void describe(auto& self, auto&& field) {
    field("Type", self.type, json::omit_empty);
    field("Name", self.name, json::omit_empty);
    field("Source", self.source);
    field("Destination", self.destination);
    field("Driver", self.driver, json::omit_empty);
    field("Mode", self.mode);
    field("RW", self.rw);
    field("Propagation", self.propagation);
  }
};

/// "80/tcp" to its bindings; an exposed port without any is null, as Go prints a nil slice.
struct PublishedPorts {
  std::map<std::string, std::vector<container::PortBinding>> ports;
  static void write_json(std::string& out, const PublishedPorts& value);
  static void describe(auto& self, auto&& field) { field("ports", self.ports); }
};

struct AddressView {
  std::string addr;
  std::int64_t prefix_len = 0;
  static void describe(auto& self, auto&& field) {
    field("Addr", self.addr);
    field("PrefixLen", self.prefix_len);
  }
};

struct NetworkSettingsView {
  std::string bridge, sandbox_id, sandbox_key;
  PublishedPorts ports;
  bool hairpin_mode = false;
  std::string link_local_ipv6_address;
  std::int64_t link_local_ipv6_prefix_len = 0;
  std::vector<AddressView> secondary_ip_addresses, secondary_ipv6_addresses;
  /// The container's place on the default bridge once more (before API 1.21 there was nothing else).
  container::EndpointSettings legacy;
  std::map<std::string, container::EndpointSettings> networks;
  static void describe(auto& self, auto&& field) {
    field("Bridge", self.bridge);
    field("SandboxID", self.sandbox_id);
    field("SandboxKey", self.sandbox_key);
    field("Ports", self.ports);
    field("HairpinMode", self.hairpin_mode);
    field("LinkLocalIPv6Address", self.link_local_ipv6_address);
    field("LinkLocalIPv6PrefixLen", self.link_local_ipv6_prefix_len);
    field("SecondaryIPAddresses", self.secondary_ip_addresses, json::null_if_empty);
    field("SecondaryIPv6Addresses", self.secondary_ipv6_addresses, json::null_if_empty);
    field("EndpointID", self.legacy.endpoint_id);
    field("Gateway", self.legacy.gateway);
    field("GlobalIPv6Address", self.legacy.global_ipv6_address);
    field("GlobalIPv6PrefixLen", self.legacy.global_ipv6_prefix_len);
    field("IPAddress", self.legacy.ip_address);
    field("IPPrefixLen", self.legacy.ip_prefix_len);
    field("IPv6Gateway", self.legacy.ipv6_gateway);
    field("MacAddress", self.legacy.mac_address);
    field("Networks", self.networks);
  }
};

/// Berth's own: what `docker inspect` says of a log that is not whole.
struct LogStatusView {
  std::uint64_t dropped = 0;  ///< entries that are lost: no room on the disk, a full buffer, a sink away for too long
  std::uint64_t unsent = 0;   ///< entries that the sink has not got yet
  static void describe(auto& self, auto&& field) {
    field("Dropped", self.dropped);
    field("Unsent", self.unsent);
  }
};

struct ContainerInspect {
  std::string id, created, path;
  std::vector<std::string> args;
  StateView state;
  std::string image, resolv_conf_path, hostname_path, hosts_path, log_path, name;  ///< name with its slash
  std::optional<LogStatusView> log_status;
  std::int64_t restart_count = 0;
  std::string driver, platform, mount_label, process_label, app_armor_profile;
  std::vector<std::string> exec_ids;
  container::HostConfig host_config;
  image::GraphDriverData graph_driver;
  std::optional<std::int64_t> size_rw, size_root_fs;
  std::vector<MountView> mounts;
  container::Config config;
  NetworkSettingsView network_settings;
  static void describe(auto& self, auto&& field) {
    field("Id", self.id);
    field("Created", self.created);
    field("Path", self.path);
    field("Args", self.args);
    field("State", self.state);
    field("Image", self.image);
    field("ResolvConfPath", self.resolv_conf_path);
    field("HostnamePath", self.hostname_path);
    field("HostsPath", self.hosts_path);
    field("LogPath", self.log_path);
    field("LogStatus", self.log_status, json::omit_empty);
    field("Name", self.name);
    field("RestartCount", self.restart_count);
    field("Driver", self.driver);
    field("Platform", self.platform);
    field("MountLabel", self.mount_label);
    field("ProcessLabel", self.process_label);
    field("AppArmorProfile", self.app_armor_profile);
    field("ExecIDs", self.exec_ids, json::null_if_empty);
    field("HostConfig", self.host_config);
    field("GraphDriver", self.graph_driver);
    field("SizeRw", self.size_rw, json::omit_empty);
    field("SizeRootFs", self.size_root_fs, json::omit_empty);
    field("Mounts", self.mounts);
    field("Config", self.config);
    field("NetworkSettings", self.network_settings);
  }
};

struct PortView {
  std::string ip;
  std::uint16_t private_port = 0, public_port = 0;
  std::string type;
  static void describe(auto& self, auto&& field) {
    field("IP", self.ip, json::omit_empty);
    field("PrivatePort", self.private_port);
    field("PublicPort", self.public_port, json::omit_empty);
    field("Type", self.type);
  }
  auto operator<=>(const PortView&) const = default;
};

struct SummaryHostConfig {
  std::string network_mode;
  std::map<std::string, std::string> annotations;
  static void describe(auto& self, auto&& field) {
    field("NetworkMode", self.network_mode, json::omit_empty);
    field("Annotations", self.annotations, json::omit_empty);
  }
};

struct SummaryNetworkSettings {
  std::map<std::string, container::EndpointSettings> networks;
  static void describe(auto& self, auto&& field) { field("Networks", self.networks); }
};

struct ContainerSummary {
  std::string id;
  std::vector<std::string> names;  ///< with their slash
  std::string image, image_id, command;
  std::int64_t created = 0;  ///< seconds since the epoch
  std::vector<PortView> ports;
  std::int64_t size_rw = 0, size_root_fs = 0;  ///< left out when 0, as Docker does
  std::map<std::string, std::string> labels;
  std::string state, status;
  SummaryHostConfig host_config;
  SummaryNetworkSettings network_settings;
  std::vector<MountView> mounts;
  static void describe(auto& self, auto&& field) {
    field("Id", self.id);
    field("Names", self.names);
    field("Image", self.image);
    field("ImageID", self.image_id);
    field("Command", self.command);
    field("Created", self.created);
    field("Ports", self.ports);
    field("SizeRw", self.size_rw, json::omit_empty);
    field("SizeRootFs", self.size_root_fs, json::omit_empty);
    field("Labels", self.labels);
    field("State", self.state);
    field("Status", self.status);
    field("HostConfig", self.host_config);
    field("NetworkSettings", self.network_settings);
    field("Mounts", self.mounts);
  }
};

struct ExecProcessConfig {
  bool tty = false;
  std::string entrypoint;
  std::vector<std::string> arguments;
  std::optional<bool> privileged;
  std::string user;
  static void describe(auto& self, auto&& field) {
    field("tty", self.tty);
    field("entrypoint", self.entrypoint);
    field("arguments", self.arguments);
    field("privileged", self.privileged, json::omit_empty);
    field("user", self.user, json::omit_empty);
  }
};

struct ExecInspect {
  std::string id;
  bool running = false;
  std::optional<std::int64_t> exit_code;  ///< null until it has ended
  ExecProcessConfig process_config;
  bool open_stdin = false, open_stderr = false, open_stdout = false, can_remove = false;
  std::string container_id, detach_keys;  ///< detach_keys: base64 of the bytes (Go's []byte)
  std::int64_t pid = 0;
  static void describe(auto& self, auto&& field) {
    field("ID", self.id);
    field("Running", self.running);
    field("ExitCode", self.exit_code);
    field("ProcessConfig", self.process_config);
    field("OpenStdin", self.open_stdin);
    field("OpenStderr", self.open_stderr);
    field("OpenStdout", self.open_stdout);
    field("CanRemove", self.can_remove);
    field("ContainerID", self.container_id);
    field("DetachKeys", self.detach_keys);
    field("Pid", self.pid);
  }
};

/// What inspect shows and a record does not hold.
struct InspectFacts {
  std::string container_dir;            ///< <data root>/containers/<id>: hosts, hostname, resolv.conf lie there
  std::string netns_path;               ///< SandboxKey; "" when the container does not run
  image::GraphDriverData graph_driver;  ///< its name is Driver too
  std::vector<std::string> exec_ids;
  LogStatusView log_status;
  std::optional<std::int64_t> size_rw, size_root_fs;  ///< with ?size=1 only
};

ContainerInspect make_inspect(const container::Record& record, const std::vector<network::Endpoint>& endpoints,
                              const InspectFacts& facts);
/// Sizes stay 0; the caller fills them in with ?size=1.
ContainerSummary make_summary(const container::Record& record, const std::vector<network::Endpoint>& endpoints,
                              Time now);

/// "Up 5 minutes (Paused)", "Exited (0) 2 hours ago", "Restarting (1) 3 seconds ago", "Created", "Removal In Progress",
/// "Dead".
std::string status_line(const container::State& state, Time now);
/// go-units' HumanDuration: "Less than a second", "About an hour", "3 weeks".
std::string human_duration(std::chrono::nanoseconds duration);

/// Where the filters of a list look things up.
struct FilterLookups {
  /// For before and since; null: "No such container: x" is thrown.
  std::function<const container::Record*(const std::string& name_or_id)> find_container;
  /// For ancestor: IDs of the image and of all images made from it; empty when there is none.
  std::function<std::set<std::string>(const std::string& image)> find_images;
  /// For network: the ID of a network by name or ID ("" when there is none).
  std::function<std::string(const std::string& network)> find_network_id;
};

/// The filters of one list or prune request, looked up and compiled once. Filters:
/// ancestor before exited expose health id is-task isolation label label! name network publish since status volume.
class ContainerFilter {
 public:
  /// Throws invalid ("invalid filter 'x'", "invalid value for …") and not_found with Docker's texts.
  ContainerFilter(const Filters& filters, const FilterLookups& lookups);
  ~ContainerFilter();
  ContainerFilter(ContainerFilter&&) noexcept;

  /// `status` may ask for containers that do not run, so the list goes over all of them.
  bool implies_all() const;
  bool matches(const container::Record& record, const std::vector<network::Endpoint>& endpoints) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace berth::engine
