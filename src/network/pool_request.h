#pragma once

#include <map>
#include <string>
#include <vector>

namespace berth::network {

/// One IPAM.Config entry of a request to create a network.
struct PoolRequest {
  std::string subnet, ip_range, gateway;
  std::map<std::string, std::string> aux_addresses;  ///< name to address
};

/// Throws invalid with all that is wrong, as Docker lists it: "invalid network config:\ninvalid subnet …". IPv6 pools
/// are passed over, as Docker does when a network has no IPv6. A pool without a subnet is fine if it has nothing else.
void validate_pools(const std::vector<PoolRequest>& pools);

/// Whether the subnet is an IPv6 one.
bool is_ipv6_pool(const PoolRequest& pool);

}  // namespace berth::network
