#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/core/log.h"
#include "base/sys/fd.h"

/// Networks of one daemon: bridges, addresses, published ports. All calls block (a pool thread), and are safe from
/// several threads. Kernel objects carry the daemon's or the container's ID in their names, so that reconcile() can
/// find what belongs to nobody.
namespace berth::network {

struct Config {
  std::string bridge = "berth0";  ///< "none" switches the default bridge off
  std::string bip;                ///< "172.18.0.1/16"; "" picks a subnet that the host does not use
  std::string fixed_cidr;         ///< addresses are taken from this part of the subnet; "" all
  std::string default_gateway;
  int mtu = 1500;
  bool firewall = true;  ///< --iptables: rules at all
  bool ip_forward = true, ip_masq = true, icc = true;
  std::string default_host_ip = "0.0.0.0";  ///< --ip
  std::string state_dir;                    ///< exec root's folder for this room (chosen subnet, tags)
  std::string instance;  ///< short unique name of this daemon (hash of its data root): names of table and links
};

/// One published port. `host_first` 0: any free port of the ephemeral range; a range: the first free one in it.
struct PortRequest {
  std::uint16_t container_port = 0;
  std::string protocol = "tcp";  ///< tcp, udp, sctp
  std::string host_ip;           ///< "": default_host_ip (and :: where IPv6 is on)
  std::uint16_t host_first = 0, host_last = 0;
};

struct BoundPort {
  std::uint16_t container_port = 0, host_port = 0;
  std::string protocol, host_ip;
  static void describe(auto& self, auto&& field) {
    field("container_port", self.container_port);
    field("host_port", self.host_port);
    field("protocol", self.protocol);
    field("host_ip", self.host_ip);
  }
};

struct EndpointRequest {
  std::string container_id, network;      ///< network: name or ID
  std::string mac_address, ipv4_address;  ///< "": chosen
  std::vector<PortRequest> ports;
  std::string container_name{};     ///< for the texts of errors
  std::string preferred_address{};  ///< chosen if nobody has it; "" for no preference
};

/// What a container has on one network; plain data, kept by the engine in the container's state.
struct Endpoint {
  std::string id, network_id, network_name, container_id;
  std::string host_link, mac_address, ipv4_address, gateway;
  int prefix_length = 0;
  std::vector<BoundPort> ports;
  static void describe(auto& self, auto&& field) {
    field("id", self.id);
    field("network_id", self.network_id);
    field("network_name", self.network_name);
    field("container_id", self.container_id);
    field("host_link", self.host_link);
    field("mac_address", self.mac_address);
    field("ipv4_address", self.ipv4_address);
    field("gateway", self.gateway);
    field("prefix_length", self.prefix_length);
    field("ports", self.ports);
  }
};

/// A network namespace made for a container: lo is up, and eth0 too where there is an endpoint.
struct Sandbox {
  sys::UniqueFd netns;
  std::optional<Endpoint> endpoint;
};

/// A network as the engine keeps it in the state database and hands it back at the next start.
struct NetworkRecord {
  std::string id, name, driver = "bridge";  ///< driver: bridge, host, null
  std::string subnet, gateway, bridge_link, created;
  std::string ip_range{};                              ///< addresses are chosen from this part of the subnet; "" all
  std::map<std::string, std::string> aux_addresses{};  ///< name to an address that is never chosen
  bool internal = false, attachable = false, enable_ipv6 = false, ingress = false;
  std::map<std::string, std::string> options, labels, ipam_options;
  static void describe(auto& self, auto&& field) {
    field("id", self.id);
    field("name", self.name);
    field("driver", self.driver);
    field("subnet", self.subnet);
    field("gateway", self.gateway);
    field("bridge_link", self.bridge_link);
    field("created", self.created);
    field("ip_range", self.ip_range);
    field("aux_addresses", self.aux_addresses);
    field("internal", self.internal);
    field("attachable", self.attachable);
    field("enable_ipv6", self.enable_ipv6);
    field("ingress", self.ingress);
    field("options", self.options);
    field("labels", self.labels);
    field("ipam_options", self.ipam_options);
  }
};

/// What an interface of a container has carried, as the container sees it.
struct Traffic {
  std::uint64_t rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_dropped = 0;
  std::uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0;
};

class Networks {
 public:
  virtual ~Networks() = default;

  /// Namespace, veth pair, address, routes, published ports. Undone entirely on a throw. Docker's texts:
  /// "Bind for 0.0.0.0:8080 failed: port is already allocated", … (system).
  virtual Sandbox attach(const EndpointRequest& request) = 0;
  /// A namespace with nothing but lo (--network none).
  virtual Sandbox isolated() = 0;
  /// Gives address and ports back. The veth goes with its namespace, or is deleted here if it is still there.
  virtual void detach(const Endpoint& endpoint) = 0;

  /// After a restart: these endpoints are alive (their rules are re-asserted if they were lost); every other link,
  /// port element and address of this daemon is removed.
  virtual void reconcile(const std::vector<Endpoint>& alive) = 0;

  /// What came through these endpoints (their `host_link`s), in their order; zeros for one that is gone.
  virtual std::vector<Traffic> traffic(const std::vector<std::string>& host_links) = 0;

  /// The predefined networks (bridge, host, none) first, then user-defined ones.
  virtual std::vector<NetworkRecord> list() const = 0;
  virtual std::optional<NetworkRecord> find(const std::string& name_or_id) const = 0;  ///< ID prefixes too
  /// Fills id, subnet, gateway, bridge_link where they are empty and makes the bridge.
  virtual NetworkRecord create(NetworkRecord wanted) = 0;
  virtual void remove(const std::string& id) = 0;
  /// Addresses of the host's resolvers are the engine's affair; this is the default bridge's gateway ("" without one).
  virtual std::string default_gateway() const = 0;
  /// Takes bridge, rules and links of this daemon down (clean stop with no container running).
  virtual void tear_down() = 0;
};

/// Makes or adopts the default bridge, the nftables table, and the user-defined networks in `known`.
std::unique_ptr<Networks> open_networks(Config config, std::vector<NetworkRecord> known, const Logger& log);

}  // namespace berth::network
