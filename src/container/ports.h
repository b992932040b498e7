#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "container/config.h"

namespace berth::container {

/// A port inside a container: the keys of ExposedPorts and PortBindings, "80/tcp".
struct Port {
  std::uint16_t number = 0;
  std::string protocol = "tcp";  ///< tcp, udp, sctp
  auto operator<=>(const Port&) const = default;
};

struct PortRange {
  std::uint16_t first = 0, last = 0;  ///< 0, 0: any
};

/// "80", "80/udp"; throws invalid `invalid port specification: "x"`.
Port parse_port(std::string_view text);
/// "", "8080", "8000-8010"; throws invalid `invalid port specification: "x"`.
PortRange parse_port_range(std::string_view text);
std::string to_string(const Port& port);

/// One published port: a container's port and where on the host it is to be.
struct PublishedPort {
  Port port;
  std::string host_ip;  ///< "" when the user gave none
  PortRange host;       ///< {0, 0}: any free port
};
/// What is to be published: PortBindings, and with -P every exposed port that has no binding, in order of the ports.
std::vector<PublishedPort> published_ports(const Config& config, const HostConfig& host_config);

}  // namespace berth::container
