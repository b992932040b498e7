#include "network/drivers/bridge/bridge.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/core/text.h"
#include "network/netlink/namespace.h"

namespace berth::network {

namespace {

constexpr std::string_view kContainerLink = "eth0";

/// Locally administered, and always the same for a bridge, so that neighbours' ARP caches survive its recreation.
std::string bridge_mac(const std::string& link, const Cidr& address) {
  std::string mac{"\x02\x42", 2};
  const std::uint64_t hash = std::hash<std::string>{}(cat(link, address.text()));
  return mac.append(reinterpret_cast<const char*>(&hash), 4);
}

// With br_netfilter a packet that a container sends to its own published port is turned around inside the bridge, back
// to the port it came from. Without it the packet is routed, and hairpin ports would only echo broadcasts.
bool bridge_packets_meet_firewall() { return read_sysctl("/proc/sys/net/bridge/bridge-nf-call-iptables") == "1"; }

}  // namespace

std::string read_sysctl(const std::string& path) {
  const sys::UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file) return {};
  std::array<char, 64> buffer;
  const ssize_t size = ::read(file.get(), buffer.data(), buffer.size());
  return size < 0 ? std::string{} : std::string{trim({buffer.data(), static_cast<std::size_t>(size)})};
}

void ensure_sysctl(const std::string& path, std::string_view value) {
  if (read_sysctl(path) == value) return;  // /proc/sys may be read-only, which does no harm then
  const sys::UniqueFd file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if (!file) throw errno_error("open", path);
  if (::write(file.get(), value.data(), value.size()) < 0) throw errno_error("write", path);
}

BridgeDriver::BridgeDriver(std::string instance, const Logger& log)
    : instance_(std::move(instance)), log_(log), home_(netlink::open_own_namespace()), route_(NETLINK_ROUTE) {}

std::string BridgeDriver::alias(Kind kind, const std::string& owner) const {
  return cat("berth:", instance_, kind == Kind::veth ? ":veth:" : ":bridge:", owner);
}

void BridgeDriver::exchange(netlink::Batch& batch, std::string_view what) {
  const std::lock_guard lock{mutex_};
  route_.exchange(batch, what);
}

std::optional<Cidr> BridgeDriver::find_bridge_address(const std::string& link) {
  const std::lock_guard lock{mutex_};
  const std::optional<netlink::Link> found = netlink::find_link(route_, link);
  if (!found) return std::nullopt;
  if (found->kind != "bridge") throw conflict(cat("the link ", link, " exists and is not a bridge"));
  for (const netlink::Address& address : netlink::list_addresses(route_)) {
    if (address.index == found->index) return address.address;
  }
  return std::nullopt;
}

netlink::Link BridgeDriver::get_bridge(const std::string& link) {
  const std::lock_guard lock{mutex_};
  std::optional<netlink::Link> found = netlink::find_link(route_, link);
  if (!found) throw system_error(cat("bridge ", link, " vanished"));
  return std::move(*found);
}

void BridgeDriver::ensure_bridge(Bridge& bridge, const std::string& network_id) {
  netlink::Batch batch;
  netlink::add_bridge(batch, bridge.link, bridge_mac(bridge.link, bridge.address), bridge.mtu);
  netlink::set_link(batch, {.name = bridge.link, .alias = alias(Kind::bridge, network_id)});
  bool is_new = false;
  {
    const std::lock_guard lock{mutex_};
    if (!netlink::find_link(route_, bridge.link)) {
      route_.exchange(batch, cat("making bridge ", bridge.link));
      is_new = true;
    }
  }
  try {
    set_up_bridge(bridge, network_id, get_bridge(bridge.link));
  } catch (const Error&) {
    if (is_new) remove_bridge(bridge.link);
    throw;
  }
}

void BridgeDriver::set_up_bridge(Bridge& bridge, const std::string& network_id, const netlink::Link& link) {
  const std::optional<Cidr> present = find_bridge_address(bridge.link);
  const bool is_foreign = !link.alias.starts_with("berth:");
  if (is_foreign && present && *present != bridge.address) {
    throw conflict(cat("the bridge ", bridge.link, " exists with the address ", present->text(), ", not ",
                       bridge.address.text(), ", and is not Berth's to change"));
  }
  bridge.index = link.index;
  netlink::Batch batch;
  if (present && *present != bridge.address) netlink::delete_address(batch, bridge.index, *present);
  if (present != bridge.address) netlink::add_address(batch, bridge.index, bridge.address);
  netlink::set_link(batch, {.name = {},
                            .index = bridge.index,
                            .alias = is_foreign ? std::string{} : alias(Kind::bridge, network_id),
                            .up = true});
  exchange(batch, cat("setting up bridge ", bridge.link));
  // The host's own connections to 127.0.0.1:PORT cross the bridge with a loopback address at one end.
  ensure_sysctl(cat("/proc/sys/net/ipv4/conf/", bridge.link, "/route_localnet"), "1");
}

void BridgeDriver::remove_bridge(const std::string& link) { remove_own(Kind::bridge, link); }
void BridgeDriver::remove_veth(const std::string& link) { remove_own(Kind::veth, link); }

void BridgeDriver::remove_own(Kind kind, const std::string& link) {
  const std::lock_guard lock{mutex_};
  const std::optional<netlink::Link> found = netlink::find_link(route_, link);
  if (!found || !found->alias.starts_with(alias(kind, ""))) return;
  netlink::Batch batch;
  netlink::delete_link(batch, found->index);
  try {
    route_.exchange(batch, cat("deleting link ", link));
  } catch (const Error& error) {
    if (error.error_number() != ENODEV) throw;  // its namespace has just ended
  }
}

Error BridgeDriver::explain(const Error& error, const Bridge& bridge) const {
  if (error.error_number() == EXFULL) {  // br_add_if: BR_MAX_PORTS is 1024
    return {ErrorKind::system,
            cat("bridge ", bridge.link,
                " is full: a Linux bridge has at most 1023 ports; put further containers on "
                "another network (docker network create)"),
            EXFULL};
  }
  return error;
}

sys::UniqueFd BridgeDriver::plug_in(const Bridge& bridge, const Plug& plug) {
  netlink::NewNamespace inside = netlink::make_namespace(home_);
  netlink::Batch host;
  netlink::add_veth(host, {.host_name = plug.host_link,
                           .peer_name = std::string{kContainerLink},
                           .peer_mac = plug.mac,
                           .netns_fd = inside.netns.get(),
                           .bridge_index = bridge.index,
                           .mtu = bridge.mtu});
  netlink::set_link(host, {.name = plug.host_link,
                           .alias = alias(Kind::veth, plug.container_id),
                           .without_ipv6_address = true,
                           .port_hairpin = bridge_packets_meet_firewall(),
                           .port_isolated = !bridge.icc});
  netlink::set_link(host, {.name = plug.host_link, .up = true});
  try {
    exchange(host, cat("veth pair ", plug.host_link));
  } catch (const Error& error) {
    throw explain(error, bridge);
  }
  const std::optional<netlink::Link> link = netlink::find_link(inside.route, std::string{kContainerLink});
  if (!link) throw system_error("the container's eth0 vanished");

  netlink::Batch setup;
  netlink::bring_loopback_up(setup);
  netlink::set_link(setup, {.name = {}, .index = link->index, .up = true});
  netlink::add_address(setup, link->index, plug.address);
  if (plug.gateway) netlink::add_default_route(setup, link->index, *plug.gateway);
  inside.route.exchange(setup, "setting up the container's eth0");
  settle(plug.host_link, bridge.link);
  return std::move(inside.netns);
}

// The host end got its carrier just now, when eth0 came up, and the bridge with its first port. A work queue will act
// on that some time later; until then packets are dropped, and a lost ARP request costs a second. Since Linux 6.8
// asking for a link carries out what is pending for it (rtnl_getlink: linkwatch_sync_dev): the port first, then the
// bridge.
void BridgeDriver::settle(const std::string& host_link, const std::string& bridge) {
  netlink::Batch batch;
  netlink::request_link(batch, host_link);
  netlink::request_link(batch, bridge);
  exchange(batch, cat("veth pair ", host_link));
}

sys::UniqueFd BridgeDriver::make_isolated() {
  netlink::NewNamespace inside = netlink::make_namespace(home_);
  netlink::Batch setup;
  netlink::bring_loopback_up(setup);
  inside.route.exchange(setup, "setting up lo");
  return std::move(inside.netns);
}

void BridgeDriver::reconnect(const Bridge& bridge, const std::vector<std::string>& host_links) {
  const std::lock_guard lock{mutex_};
  for (const netlink::Link& link : netlink::list_links(route_)) {
    if (link.master == bridge.index || std::ranges::find(host_links, link.name) == host_links.end()) continue;
    netlink::Batch batch;
    netlink::set_link(batch, {.name = {}, .index = link.index, .master = bridge.index, .up = true});
    try {
      route_.exchange(batch, cat("putting ", link.name, " back on bridge ", bridge.link));
    } catch (const Error& error) {
      log_.warn(error.text());
    }
  }
}

std::vector<netlink::Counters> BridgeDriver::counters(const std::vector<std::string>& host_links) {
  const std::lock_guard lock{counting_};
  if (!counter_socket_) counter_socket_.emplace(NETLINK_ROUTE);
  return netlink::list_counters(*counter_socket_, host_links);
}

std::vector<Cidr> BridgeDriver::host_blocks() {
  const std::lock_guard lock{mutex_};
  std::vector<Cidr> blocks = netlink::list_routes(route_);
  for (const netlink::Address& address : netlink::list_addresses(route_)) blocks.push_back(address.address.network());
  return blocks;
}

void BridgeDriver::sweep(Kind kind, const std::function<bool(const std::string&)>& is_wanted) {
  const std::lock_guard lock{mutex_};
  const std::string mark = alias(kind, "");
  for (const netlink::Link& link : netlink::list_links(route_)) {
    if (!link.alias.starts_with(mark) || is_wanted(link.name)) continue;
    netlink::Batch batch;
    netlink::delete_link(batch, link.index);
    try {
      route_.exchange(batch, cat("deleting orphan link ", link.name));
      log_.info("deleted link ", link.name, ", which belonged to nobody (", link.alias, ')');
    } catch (const Error& error) {  // ENODEV: its namespace has just ended
      if (error.error_number() != ENODEV) log_.warn(error.text());
    }
  }
}

}  // namespace berth::network
