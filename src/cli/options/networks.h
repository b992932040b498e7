#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

namespace berth::cli {

/// What the network flags of `run` say: --network may come several times, and in the long form
/// name=…,alias=…,ip=…,ip6=…,mac-address=…,link-local-ip=…,driver-opt=…,gw-priority=….
struct NetworkFlags {
  std::vector<std::string> networks, aliases, links, link_local;
  std::string ip, ip6, mac;
};

struct NetworkRequest {
  std::string mode = "default";    ///< HostConfig.NetworkMode
  std::vector<std::string> links;  ///< HostConfig.Links, on the default bridge
  boost::json::object endpoints;   ///< NetworkingConfig.EndpointsConfig
};

NetworkRequest make_network_request(const NetworkFlags& flags);

/// Not one of the networks that every daemon has, nor a container's.
bool is_user_defined(const std::string& mode);

}  // namespace berth::cli
