#pragma once

#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "base/core/log.h"
#include "network/firewall/nft.h"
#include "network/ipam/ipv4.h"
#include "network/netlink/socket.h"

namespace berth::network {

/// One published port: what comes for host_ip:host_port goes to container_ip:container_port.
struct PublishedPort {
  std::uint8_t protocol = 0;  ///< IPPROTO_*
  Ipv4 host_ip;               ///< 0.0.0.0: every address of the host
  std::uint16_t host_port = 0;
  Ipv4 container_ip;
  std::uint16_t container_port = 0;
};

struct BridgeRules {
  std::string link;
  Cidr subnet;
  bool masquerade = true, icc = true, internal = false;
};

/// The daemon's own nf_tables table `ip berth-<instance>`; nobody else's is ever touched. Its chains and rules are
/// fixed (README.md shows them); bridges and published ports are elements of its sets and maps. Keeps what should be
/// there in memory, so that a table that somebody flushed is rebuilt whole at the next change. Safe from several
/// threads.
class Firewall {
 public:
  Firewall(const std::string& instance, const Logger& log);

  /// Adopts the table of an earlier run with all its elements, or makes it.
  void open();
  void set_bridges(std::vector<BridgeRules> bridges);
  void publish(const std::vector<PublishedPort>& ports);
  void withdraw(const std::vector<PublishedPort>& ports);
  /// These and no other ports are published; one transaction.
  void replace_ports(const std::vector<PublishedPort>& ports);
  void remove_table();
  /// Says in the log which chains of others drop forwarded packets: we cannot accept what they drop.
  void warn_about_foreign_policies();

 private:
  using PortKey = std::tuple<std::uint8_t, Ipv4, std::uint16_t>;

  static PortKey key_of(const PublishedPort& port);
  bool has_our_layout();
  void rebuild();
  void add_layout(nft::Transaction& transaction) const;
  void add_bridge_elements(nft::Transaction& transaction) const;
  void add_port_elements(nft::Transaction& transaction) const;
  void commit(nft::Transaction& transaction);
  void refresh_or_rebuild(bool with_ports);
  void forget_udp_flows(const std::vector<PublishedPort>& ports);

  const Logger& log_;
  const std::string table_;
  std::mutex mutex_;
  netlink::Socket socket_;
  std::vector<BridgeRules> bridges_;
  std::map<PortKey, PublishedPort> ports_;
};

}  // namespace berth::network
