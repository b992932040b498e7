#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/core/error.h"
#include "base/core/log.h"
#include "network/ipam/ipv4.h"
#include "network/netlink/counters.h"
#include "network/netlink/route.h"

namespace berth::network {

/// Host links of one daemon: bridges, and a veth pair for each container. Marks what it makes with an alias
/// ("berth:INSTANCE:bridge:NETWORK_ID" or "berth:INSTANCE:veth:CONTAINER_ID"). Safe from several threads.
class BridgeDriver {
 public:
  BridgeDriver(std::string instance, const Logger& log);

  struct Bridge {
    std::string link;
    int index = 0;
    Cidr address;  ///< the gateway with the subnet's prefix length
    int mtu = 1500;
    bool icc = true, internal = false;
  };

  /// The address that a bridge of this name has already; nullopt without bridge or address. Throws conflict when the
  /// name is that of another kind of link.
  std::optional<Cidr> find_bridge_address(const std::string& link);
  /// Makes the bridge or adopts the one of that name, gives it the address, brings it up; sets bridge.index. Throws
  /// conflict when a bridge that no Berth made has another address. After a throw a new bridge is gone again.
  void ensure_bridge(Bridge& bridge, const std::string& network_id);
  /// Absence is no error; a bridge that this daemon did not make stays.
  void remove_bridge(const std::string& link);
  void remove_veth(const std::string& link);  ///< likewise

  struct Plug {
    std::string host_link, container_id;
    std::string mac;  ///< six bytes
    Cidr address;
    std::optional<Ipv4> gateway;  ///< of the default route; none on internal networks
  };
  /// A namespace with lo and eth0 up, eth0 being a port of the bridge. After a throw nothing is left.
  sys::UniqueFd plug_in(const Bridge& bridge, const Plug& plug);
  sys::UniqueFd make_isolated();

  /// Puts these host links back on the bridge if they are not its ports (somebody deleted the bridge and it was made
  /// anew). Links that are gone are passed over.
  void reconnect(const Bridge& bridge, const std::vector<std::string>& host_links);

  std::vector<netlink::Counters> counters(const std::vector<std::string>& host_links);
  std::vector<Cidr> host_blocks();  ///< what addresses and routes of the host cover
  enum class Kind { veth, bridge };
  /// Deletes this daemon's veths (or bridges) for which `is_wanted(name)` is false.
  void sweep(Kind kind, const std::function<bool(const std::string& link_name)>& is_wanted);

 private:
  std::string alias(Kind kind, const std::string& owner) const;
  void exchange(netlink::Batch& batch, std::string_view what);
  void settle(const std::string& host_link, const std::string& bridge);
  netlink::Link get_bridge(const std::string& link);
  void set_up_bridge(Bridge& bridge, const std::string& network_id, const netlink::Link& link);
  void remove_own(Kind kind, const std::string& link);
  Error explain(const Error& error, const Bridge& bridge) const;

  const std::string instance_;
  const Logger& log_;
  const sys::UniqueFd home_;
  std::mutex mutex_;  ///< guards route_
  netlink::Socket route_;
  std::mutex counting_;                            ///< guards counter_socket_: who watches holds up no start
  std::optional<netlink::Socket> counter_socket_;  ///< made when it is first asked for
};

/// The kernel's switches under /proc/sys/net. Throws system when it can't be set to `value`.
void ensure_sysctl(const std::string& path, std::string_view value);
std::string read_sysctl(const std::string& path);  ///< trimmed; "" when absent

}  // namespace berth::network
