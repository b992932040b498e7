#include "engine/container_views.h"

#include <algorithm>

#include "base/core/text.h"
#include "container/ports.h"
#include "engine/container_setup.h"

namespace berth::engine {

namespace {

using container::Record;
using container::Status;

Time time_of(std::int64_t nanoseconds) {
  return nanoseconds == 0 ? kNever : Time{std::chrono::nanoseconds{nanoseconds}};
}

StateView state_of(const container::State& state) {
  StateView view;
  view.status = container::to_string(state.status);
  view.restarting = state.status == Status::restarting;
  view.running = state.running() || view.restarting;  // Docker's restarting container still counts as running
  view.paused = state.status == Status::paused;
  view.oom_killed = state.oom_killed;
  view.dead = state.dead || state.status == Status::dead;
  view.pid = state.pid;
  view.exit_code = state.exit_code;
  view.error = state.error;
  view.started_at = format_time(time_of(state.started_at));
  view.finished_at = format_time(time_of(state.finished_at));
  return view;
}

std::vector<MountView> mounts_of(const Record& record) {
  std::vector<MountView> views;
  views.reserve(record.mount_points.size());
  for (const container::MountPoint& point : record.mount_points) {
    views.push_back({.type = point.type,
                     .name = point.name,
                     .source = point.source,
                     .destination = point.destination,
                     .driver = point.driver,
                     .mode = point.mode,
                     .rw = point.rw,
                     .propagation = point.propagation});
  }
  return views;
}

/// The name under which Docker lists the network a container was created on; "" for one that has none of its own.
std::string primary_network(const container::HostConfig& host_config) {
  const std::string& mode = host_config.network_mode;
  if (mode.starts_with("container:")) return "";
  return mode.empty() || mode == "default" ? "bridge" : mode;
}

void fill_in(const network::Endpoint& endpoint, container::EndpointSettings& settings) {
  settings.network_id = endpoint.network_id;
  settings.endpoint_id = endpoint.id;
  settings.gateway = endpoint.gateway;
  settings.ip_address = endpoint.ipv4_address;
  settings.ip_prefix_len = endpoint.prefix_length;
  settings.mac_address = endpoint.mac_address;
}

/// What was asked of each network, completed by what the container has there now.
std::map<std::string, container::EndpointSettings> networks_of(const Record& record,
                                                               const std::vector<network::Endpoint>& endpoints) {
  std::map<std::string, container::EndpointSettings> networks = record.networking.endpoints_config;
  if (const auto unnamed = networks.extract("default"); unnamed) networks.emplace("bridge", unnamed.mapped());
  if (const std::string primary = primary_network(record.host_config); !primary.empty()) networks[primary];
  for (const network::Endpoint& endpoint : endpoints) fill_in(endpoint, networks[endpoint.network_name]);
  return networks;
}

/// Published and exposed ports of a running container that has a network; else none.
PublishedPorts ports_of(const Record& record, const std::vector<network::Endpoint>& endpoints) {
  PublishedPorts out;
  if (endpoints.empty()) return out;
  for (const auto& [port, nothing] : record.config.exposed_ports) out.ports[port];
  for (const auto& [port, bindings] : record.host_config.port_bindings) out.ports[port];
  for (const network::Endpoint& endpoint : endpoints) {
    for (const network::BoundPort& port : endpoint.ports) {
      out.ports[cat(port.container_port, '/', port.protocol)].push_back(
          {.host_ip = port.host_ip, .host_port = cat(port.host_port)});
    }
  }
  return out;
}

std::vector<PortView> port_list(const Record& record, const std::vector<network::Endpoint>& endpoints) {
  std::vector<PortView> views;
  for (const auto& [port, bindings] : ports_of(record, endpoints).ports) {
    const std::size_t slash = port.find('/');
    PortView view{.private_port = parse_number<std::uint16_t>(std::string_view{port}.substr(0, slash)).value_or(0),
                  .type = slash == std::string::npos ? "tcp" : port.substr(slash + 1)};
    if (bindings.empty()) views.push_back(view);
    for (const container::PortBinding& binding : bindings) {
      view.ip = binding.host_ip;
      view.public_port = parse_number<std::uint16_t>(binding.host_port).value_or(0);
      views.push_back(view);
    }
  }
  return views;
}

/// Program and arguments as `docker ps` shows them: an argument with a space in quotes.
std::string command_of(const Record& record) {
  std::string command = record.path;
  for (const std::string& argument : record.args) {
    command += ' ';
    const bool quote = argument.find(' ') != std::string::npos;
    if (quote) command += '\'';
    command += argument;
    if (quote) command += '\'';
  }
  return command;
}

NetworkSettingsView network_settings_of(const Record& record, const std::vector<network::Endpoint>& endpoints,
                                        const InspectFacts& facts) {
  NetworkSettingsView view;
  if (!facts.netns_path.empty()) {
    view.sandbox_id = record.id;
    view.sandbox_key = facts.netns_path;
  }
  view.ports = ports_of(record, endpoints);
  view.networks = networks_of(record, endpoints);
  if (const auto bridge = view.networks.find("bridge"); bridge != view.networks.end()) view.legacy = bridge->second;
  return view;
}

std::string apparmor_profile(const container::HostConfig& host_config) {
  for (const std::string& option : host_config.security_opt) {
    if (option.starts_with("apparmor=") || option.starts_with("apparmor:")) return option.substr(9);
  }
  return "";
}

}  // namespace

void PublishedPorts::write_json(std::string& out, const PublishedPorts& value) {
  json::Writer writer{out};
  out += '{';
  bool first = true;
  for (const auto& [port, bindings] : value.ports) {
    if (!first) out += ',';
    first = false;
    json::write_string(out, port);
    out += ':';
    if (bindings.empty()) {
      out += "null";
    } else {
      writer.put(bindings);
    }
  }
  out += '}';
}

std::string human_duration(std::chrono::nanoseconds duration) {
  const std::int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  const std::int64_t minutes = seconds / 60, hours = seconds / 3600;
  const std::int64_t near_hours = (seconds + 1800) / 3600;  // half an hour counts as one
  if (seconds < 1) return "Less than a second";
  if (seconds == 1) return "1 second";
  if (seconds < 60) return cat(seconds, " seconds");
  if (minutes == 1) return "About a minute";
  if (minutes < 60) return cat(minutes, " minutes");
  if (near_hours == 1) return "About an hour";
  if (near_hours < 48) return cat(near_hours, " hours");
  if (near_hours < 24 * 7 * 2) return cat(near_hours / 24, " days");
  if (near_hours < 24 * 30 * 2) return cat(near_hours / 24 / 7, " weeks");
  if (near_hours < 24 * 365 * 2) return cat(near_hours / 24 / 30, " months");
  return cat(hours / 24 / 365, " years");
}

std::string status_line(const container::State& state, Time now) {
  const auto since = [&](std::int64_t moment) { return human_duration(now - Time{std::chrono::nanoseconds{moment}}); };
  switch (state.status) {
    case Status::running: return cat("Up ", since(state.started_at));
    case Status::paused: return cat("Up ", since(state.started_at), " (Paused)");
    case Status::restarting: return cat("Restarting (", state.exit_code, ") ", since(state.finished_at), " ago");
    case Status::removing: return "Removal In Progress";
    case Status::dead: return "Dead";
    case Status::created: return "Created";
    case Status::exited: break;
  }
  if (state.finished_at == 0) return "";
  return cat("Exited (", state.exit_code, ") ", since(state.finished_at), " ago");
}

ContainerInspect make_inspect(const Record& record, const std::vector<network::Endpoint>& endpoints,
                              const InspectFacts& facts) {
  ContainerInspect view;
  view.id = record.id;
  view.created = format_time(time_of(record.created));
  view.path = record.path;
  view.args = record.args;
  view.state = state_of(record.state);
  view.image = record.image_id;
  if (!facts.container_dir.empty()) {
    view.resolv_conf_path = facts.container_dir + "/resolv.conf";
    view.hostname_path = facts.container_dir + "/hostname";
    view.hosts_path = facts.container_dir + "/hosts";
  }
  view.log_path = record.log_path;
  view.name = "/" + record.name;
  view.restart_count = record.state.restart_count;
  view.driver = facts.graph_driver.name;
  view.platform = record.platform.empty() ? "linux" : record.platform.substr(0, record.platform.find('/'));
  view.app_armor_profile = apparmor_profile(record.host_config);
  view.exec_ids = facts.exec_ids;
  view.host_config = record.host_config;
  add_default_paths(view.host_config);
  view.graph_driver = facts.graph_driver;
  view.size_rw = facts.size_rw;
  view.size_root_fs = facts.size_root_fs;
  view.mounts = mounts_of(record);
  view.config = record.config;
  view.network_settings = network_settings_of(record, endpoints, facts);
  return view;
}

ContainerSummary make_summary(const Record& record, const std::vector<network::Endpoint>& endpoints, Time now) {
  ContainerSummary view;
  view.id = record.id;
  view.names = {"/" + record.name};
  view.image = record.image_name.empty() ? record.image_id : record.image_name;
  view.image_id = record.image_id;
  view.command = command_of(record);
  view.created = record.created / 1'000'000'000;
  view.ports = port_list(record, endpoints);
  view.labels = record.config.labels;
  view.state = container::to_string(record.state.status);
  view.status = status_line(record.state, now);
  view.host_config = {.network_mode = record.host_config.network_mode, .annotations = record.host_config.annotations};
  view.network_settings.networks = networks_of(record, endpoints);
  view.mounts = mounts_of(record);
  return view;
}

}  // namespace berth::engine
