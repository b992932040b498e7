#include "base/core/error.h"
#include "base/core/text.h"
#include "engine/setup/parts.h"

namespace berth::engine::setup {

namespace {

void check_container_network(const container::CreateRequest& request) {
  const container::HostConfig& host_config = request.host_config;
  if (host_config.network_mode.substr(10).empty()) {
    throw invalid("invalid network mode: invalid container format container:<name|id>");
  }
  if (!request.hostname.empty()) throw invalid("conflicting options: hostname and the network mode");
  if (!host_config.links.empty()) {
    throw invalid(
        "conflicting options: container type network can't be used with links. This would result in "
        "undefined behavior");
  }
  if (!host_config.dns.empty()) throw invalid("conflicting options: dns and the network mode");
  if (!host_config.extra_hosts.empty()) {
    throw invalid("conflicting options: custom host-to-IP mapping and the network mode");
  }
  if (!request.mac_address.empty()) throw invalid("conflicting options: mac-address and the network mode");
  if (!host_config.port_bindings.empty() || host_config.publish_all_ports) {
    throw invalid("conflicting options: port publishing and the container type network mode");
  }
  if (!request.exposed_ports.empty()) {
    throw invalid("conflicting options: port exposing and the container type network mode");
  }
}

void check_network(const container::CreateRequest& request) {
  const container::HostConfig& host_config = request.host_config;
  if (host_config.network_mode == "container" || is_container_mode(host_config.network_mode)) {
    check_container_network(request);
  }
  if (host_config.uts_mode == "host" && !request.hostname.empty()) {
    throw invalid("conflicting options: hostname and the UTS mode");
  }
  if (host_config.network_mode == "host" && !host_config.links.empty()) {
    throw invalid(
        "conflicting options: host type networking can't be used with links. This would result in "
        "undefined behavior");
  }
  if (!host_config.links.empty()) {
    throw not_implemented("links are not implemented by Berth yet: use a user-defined network");
  }
}

/// "" or one of `words`, or container:<id>, which needs a name.
bool is_mode_of(std::string_view mode, std::initializer_list<std::string_view> words) {
  if (mode.empty()) return true;
  if (is_container_mode(mode)) return mode.size() > 10;
  for (const std::string_view word : words) {
    if (mode == word) return true;
  }
  return false;
}

}  // namespace

bool is_container_mode(std::string_view mode) { return mode.starts_with("container:"); }

void check_modes(const container::CreateRequest& request) {
  const container::HostConfig& host_config = request.host_config;
  check_network(request);
  if (!is_mode_of(host_config.ipc_mode, {"none", "private", "shareable", "host"})) {
    throw invalid(cat("invalid IPC mode: ", host_config.ipc_mode));
  }
  if (!is_mode_of(host_config.pid_mode, {"host"})) throw invalid(cat("invalid PID mode: ", host_config.pid_mode));
  if (!host_config.uts_mode.empty() && host_config.uts_mode != "host") {
    throw invalid(cat("invalid UTS mode: ", host_config.uts_mode));
  }
  if (!host_config.userns_mode.empty() && host_config.userns_mode != "host") {
    throw invalid("invalid user namespace mode: " + host_config.userns_mode);
  }
  if (!host_config.cgroupns_mode.empty() && host_config.cgroupns_mode != "private" &&
      host_config.cgroupns_mode != "host") {
    throw invalid(cat("invalid cgroup namespace mode: ", host_config.cgroupns_mode));
  }
  if (!host_config.isolation.empty() && to_lower(host_config.isolation) != "default") {
    throw invalid(cat("invalid isolation '", host_config.isolation, "' on linux"));
  }
}

}  // namespace berth::engine::setup
