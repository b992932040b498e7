#include "container/ports.h"

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::container {

namespace {

Error bad_port(std::string_view text) { return invalid(cat("invalid port specification: ", quoted(text))); }

}  // namespace

Port parse_port(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto number = parse_number<std::uint16_t>(text.substr(0, slash));
  if (!number || *number == 0) throw bad_port(text);
  Port port{.number = *number};
  if (slash != std::string_view::npos) {
    port.protocol = to_lower(text.substr(slash + 1));
    if (port.protocol != "tcp" && port.protocol != "udp" && port.protocol != "sctp") throw bad_port(text);
  }
  return port;
}

PortRange parse_port_range(std::string_view text) {
  if (text.empty()) return {};
  const std::size_t dash = text.find('-');
  const auto first = parse_number<std::uint16_t>(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_number<std::uint16_t>(text.substr(dash + 1));
  if (!first || !last || *last < *first) throw bad_port(text);
  return {*first, *last};
}

std::string to_string(const Port& port) { return cat(port.number, '/', port.protocol); }

std::vector<PublishedPort> published_ports(const Config& config, const HostConfig& host_config) {
  std::map<Port, std::vector<PublishedPort>> wanted;
  if (host_config.publish_all_ports) {
    for (const auto& [key, nothing] : config.exposed_ports) {
      const Port port = parse_port(key);
      wanted[port] = {{.port = port, .host_ip = {}, .host = {}}};
    }
  }
  for (const auto& [key, bindings] : host_config.port_bindings) {
    const Port port = parse_port(key);
    std::vector<PublishedPort>& list = wanted[port];
    list.clear();
    for (const PortBinding& binding : bindings) {
      list.push_back({.port = port, .host_ip = binding.host_ip, .host = parse_port_range(binding.host_port)});
    }
    if (list.empty()) list.push_back({.port = port, .host_ip = {}, .host = {}});
  }
  std::vector<PublishedPort> all;
  for (auto& [port, list] : wanted) all.insert(all.end(), list.begin(), list.end());
  return all;
}

}  // namespace berth::container
