#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "network/bridge_network.h"
#include "network/drivers/bridge/link_reaper.h"
#include "network/namespace_name.h"
#include "network/network.h"
#include "network/ports/port_table.h"

namespace berth::network {

class KernelNetworks final : public Networks {
 public:
  KernelNetworks(Config config, std::vector<NetworkRecord> known, const Logger& log);

  Sandbox attach(const EndpointRequest& request) override;
  Sandbox isolated() override;
  void detach(const Endpoint& endpoint) override;
  void reconcile(const std::vector<Endpoint>& alive) override;
  std::vector<Traffic> traffic(const std::vector<std::string>& host_links) override;
  std::vector<NetworkRecord> list() const override;
  std::optional<NetworkRecord> find(const std::string& name_or_id) const override;
  NetworkRecord create(NetworkRecord wanted) override;
  void remove(const std::string& id) override;
  std::string default_gateway() const override;
  void tear_down() override;

 private:
  using NetworkPtr = std::shared_ptr<const BridgeNetwork>;

  /// What an endpoint holds; given back when it is erased.
  struct Holding {
    NetworkPtr network;
    AddressLease address;
    std::vector<PortLease> port_leases;
    std::vector<PublishedPort> published;
    std::string host_link;
  };

  /// An endpoint in the making: its network is in use, its link no orphan. Withdrawn at its end unless completed.
  class Announcement;

  void open_firewall();
  void open_default_network();
  Cidr default_bridge_address();
  void open_known_network(NetworkRecord record);
  void sweep_orphan_bridges();
  void update_firewall_bridges();
  NetworkPtr get_bridge_network(const std::string& name_or_id) const;
  NetworkPtr find_bridge_network(const std::string& id) const;
  std::vector<Cidr> known_subnets() const;
  AddressLease lease_address(const BridgeNetwork& network, const EndpointRequest& request) const;
  void reserve_ports(const EndpointRequest& request, Endpoint& endpoint, Holding& holding);
  Holding adopt(const Endpoint& endpoint, const NetworkPtr& network);

  const Config config_;
  const Logger& log_;
  BridgeDriver driver_;
  std::optional<Firewall> firewall_;
  PortTable ports_;
  std::mutex changing_;                       ///< one create or remove at a time
  std::shared_mutex reconciling_;             ///< shared by what attaches and detaches, alone in reconcile()
  mutable std::mutex mutex_;                  ///< guards what follows
  std::optional<NamespaceName> bridge_name_;  ///< no two daemons on one default bridge
  NetworkPtr default_network_;
  NetworkRecord host_, none_;
  std::vector<NetworkPtr> user_networks_;    ///< in order of creation
  std::map<std::string, Holding> holdings_;  ///< by endpoint ID
  LinkReaper reaper_;                        ///< last: its thread uses the driver
};

}  // namespace berth::network
