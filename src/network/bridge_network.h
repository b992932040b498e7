#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "network/drivers/bridge/bridge.h"
#include "network/firewall/firewall.h"
#include "network/ipam/address_pool.h"
#include "network/network.h"

namespace berth::network {

namespace option {
inline constexpr std::string_view kBridgeName = "com.docker.network.bridge.name";
inline constexpr std::string_view kDefaultBridge = "com.docker.network.bridge.default_bridge";
inline constexpr std::string_view kIcc = "com.docker.network.bridge.enable_icc";
inline constexpr std::string_view kMasquerade = "com.docker.network.bridge.enable_ip_masquerade";
inline constexpr std::string_view kHostBinding = "com.docker.network.bridge.host_binding_ipv4";
inline constexpr std::string_view kMtu = "com.docker.network.driver.mtu";
}  // namespace option

/// A network of the bridge driver as it is while the daemon runs.
struct BridgeNetwork {
  NetworkRecord record;
  BridgeDriver::Bridge bridge;
  std::shared_ptr<AddressPool> pool;
  bool masquerade = true, is_default = false;
  std::string host_binding = "0.0.0.0";
  Ipv4 gateway;  ///< of the containers' default route

  BridgeRules rules() const {
    return {.link = bridge.link,
            .subnet = bridge.address.network(),
            .masquerade = masquerade,
            .icc = bridge.icc,
            .internal = record.internal};
  }
};

/// Reads addresses and options of a record whose subnet and gateway are set; touches nothing. Throws invalid.
BridgeNetwork make_bridge_network(NetworkRecord record, const Config& config);
/// The default bridge network on `address` (gateway and prefix length).
BridgeNetwork make_default_network(const Config& config, const Cidr& address);
/// The networks "host" and "none", which are nothing but a name.
NetworkRecord make_predefined_record(const Config& config, std::string name, std::string driver);

/// A subnet of `wanted` that overlaps no network among `known`, or one of Docker's pools that is free on this host.
/// Fills subnet and gateway. Throws forbidden ("invalid pool request: Pool overlaps with …"), invalid.
void choose_addresses(NetworkRecord& wanted, const std::vector<Cidr>& known, const std::vector<Cidr>& host_blocks);

std::string parse_mac(const std::string& text);  ///< six bytes; throws invalid
std::string mac_for(Ipv4 address);               ///< 02:42 and the address, as Docker's bridge does; six bytes
std::string mac_text(const std::string& bytes);

}  // namespace berth::network
