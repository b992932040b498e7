#pragma once

#include <optional>
#include <string>
#include <vector>

#include "network/ipam/ipv4.h"
#include "network/netlink/socket.h"

/// Links, addresses and routes. The add_ and set_ functions append one message to a batch; the list_ functions ask.
/// Spec: rtnetlink(7), linux/if_link.h, linux/veth.h.
namespace berth::network::netlink {

struct Link {
  int index = 0;
  int master = 0;                 ///< index of the bridge it is a port of; 0 none
  std::string name, alias, kind;  ///< kind: bridge, veth, "" for hardware
};

struct Address {
  int index = 0;
  Cidr address;
};

struct VethSpec {
  std::string host_name, peer_name;
  std::string peer_mac;  ///< six bytes
  int netns_fd = -1;     ///< where the peer is born
  int bridge_index = 0;  ///< whose port the host end becomes
  int mtu = 1500;
};

/// Changes to a link that exists; what is left at its default stays as it is.
struct LinkChange {
  std::string name;  ///< "" with an index
  int index = 0;
  int master = 0;  ///< index of the bridge to join
  std::string alias{};
  bool up = false;
  bool without_ipv6_address = false;  ///< no link-local address of its own: no duplicate detection, no timers
  bool port_hairpin = false;          ///< bridge port: frames may go back where they came from
  bool port_isolated = false;         ///< bridge port: no frames to and from other isolated ports
};

void request_link(Batch& batch, const std::string& name);
void add_bridge(Batch& batch, const std::string& name, const std::string& mac, int mtu);
void add_veth(Batch& batch, const VethSpec& spec);
void set_link(Batch& batch, const LinkChange& change);
void delete_link(Batch& batch, int index);
void add_address(Batch& batch, int index, const Cidr& address);
void delete_address(Batch& batch, int index, const Cidr& address);
void add_default_route(Batch& batch, int index, Ipv4 gateway);

std::optional<Link> find_link(Socket& socket, const std::string& name);
std::vector<Link> list_links(Socket& socket);
std::vector<Address> list_addresses(Socket& socket);  ///< IPv4
std::vector<Cidr> list_routes(Socket& socket);        ///< IPv4 destinations of all tables, without default routes

}  // namespace berth::network::netlink
