#include "network/netlink/route.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>

#include "base/core/error.h"

namespace berth::network::netlink {

namespace {

constexpr std::uint16_t kNew = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;

ifinfomsg link_header(int index = 0, unsigned flags = 0) {
  return {.ifi_family = AF_UNSPEC,
          .__ifi_pad = 0,
          .ifi_type = 0,
          .ifi_index = index,
          .ifi_flags = flags,
          .ifi_change = flags};
}

ifaddrmsg address_header(int index, int prefix) {
  return {.ifa_family = AF_INET,
          .ifa_prefixlen = static_cast<std::uint8_t>(prefix),
          .ifa_flags = 0,
          .ifa_scope = RT_SCOPE_UNIVERSE,
          .ifa_index = static_cast<std::uint32_t>(index)};
}

template <class Header>
std::optional<Header> split_header(std::string_view& payload) {
  if (payload.size() < sizeof(Header)) return std::nullopt;
  Header header;
  std::memcpy(&header, payload.data(), sizeof header);
  payload.remove_prefix(NLMSG_ALIGN(sizeof header));
  return header;
}

std::optional<Link> parse_link(std::string_view payload) {
  const auto header = split_header<ifinfomsg>(payload);
  if (!header) return std::nullopt;
  const Attributes attributes{payload};
  Link link{.index = header->ifi_index,
            .master = attributes.number<std::int32_t>(IFLA_MASTER).value_or(0),
            .name = attributes.text(IFLA_IFNAME),
            .alias = attributes.text(IFLA_IFALIAS),
            .kind = {}};
  if (const auto info = attributes.find(IFLA_LINKINFO)) link.kind = Attributes{*info}.text(IFLA_INFO_KIND);
  return link;
}

Ipv4 from_wire(std::optional<std::uint32_t> number) { return {big_endian(number.value_or(0))}; }

}  // namespace

void add_bridge(Batch& batch, const std::string& name, const std::string& mac, int mtu) {
  batch.message(RTM_NEWLINK, kNew, link_header());
  batch.text(IFLA_IFNAME, name);
  batch.attribute(IFLA_ADDRESS, mac);  // a bridge without its own address takes on those of its ports, and changes
  batch.number(IFLA_MTU, static_cast<std::uint32_t>(mtu));
  batch.nested(IFLA_LINKINFO, [&] { batch.text(IFLA_INFO_KIND, "bridge"); });
}

void add_veth(Batch& batch, const VethSpec& spec) {
  const auto mtu = static_cast<std::uint32_t>(spec.mtu);
  batch.message(RTM_NEWLINK, kNew, link_header());
  batch.text(IFLA_IFNAME, spec.host_name);
  batch.number(IFLA_MTU, mtu);
  if (spec.bridge_index != 0) batch.number(IFLA_MASTER, static_cast<std::uint32_t>(spec.bridge_index));
  batch.nested(IFLA_LINKINFO, [&] {
    batch.text(IFLA_INFO_KIND, "veth");
    batch.nested(IFLA_INFO_DATA, [&] {
      batch.nested_with_header(VETH_INFO_PEER, link_header(), [&] {
        batch.text(IFLA_IFNAME, spec.peer_name);
        batch.attribute(IFLA_ADDRESS, spec.peer_mac);
        batch.number(IFLA_MTU, mtu);
        batch.number(IFLA_NET_NS_FD, static_cast<std::uint32_t>(spec.netns_fd));
      });
    });
  });
}

void set_link(Batch& batch, const LinkChange& change) {
  // RTM_SETLINK would leave the bridge port's settings out.
  batch.message(RTM_NEWLINK, NLM_F_ACK, link_header(change.index, change.up ? IFF_UP : 0));
  if (!change.name.empty()) batch.text(IFLA_IFNAME, change.name);
  if (change.master != 0) batch.number(IFLA_MASTER, static_cast<std::uint32_t>(change.master));
  if (!change.alias.empty()) batch.attribute(IFLA_IFALIAS, change.alias);
  if (change.without_ipv6_address) {
    batch.nested(IFLA_AF_SPEC, [&] {
      batch.nested(AF_INET6, [&] { batch.number(IFLA_INET6_ADDR_GEN_MODE, std::uint8_t{IN6_ADDR_GEN_MODE_NONE}); });
    });
  }
  if (change.port_hairpin || change.port_isolated) {
    batch.nested(IFLA_LINKINFO, [&] {
      batch.text(IFLA_INFO_SLAVE_KIND, "bridge");
      batch.nested(IFLA_INFO_SLAVE_DATA, [&] {
        if (change.port_hairpin) batch.number(IFLA_BRPORT_MODE, std::uint8_t{1});
        if (change.port_isolated) batch.number(IFLA_BRPORT_ISOLATED, std::uint8_t{1});
      });
    });
  }
}

void delete_link(Batch& batch, int index) { batch.message(RTM_DELLINK, NLM_F_ACK, link_header(index)); }

void add_address(Batch& batch, int index, const Cidr& address) {
  batch.message(RTM_NEWADDR, kNew, address_header(index, address.prefix));
  batch.attribute(IFA_LOCAL, address.address.wire());
  batch.attribute(IFA_ADDRESS, address.address.wire());
  batch.attribute(IFA_BROADCAST, address.last().wire());
}

void delete_address(Batch& batch, int index, const Cidr& address) {
  batch.message(RTM_DELADDR, NLM_F_ACK, address_header(index, address.prefix));
  batch.attribute(IFA_LOCAL, address.address.wire());
}

void add_default_route(Batch& batch, int index, Ipv4 gateway) {
  const rtmsg header{.rtm_family = AF_INET,
                     .rtm_dst_len = 0,
                     .rtm_src_len = 0,
                     .rtm_tos = 0,
                     .rtm_table = RT_TABLE_MAIN,
                     .rtm_protocol = RTPROT_BOOT,
                     .rtm_scope = RT_SCOPE_UNIVERSE,
                     .rtm_type = RTN_UNICAST,
                     .rtm_flags = 0};
  batch.message(RTM_NEWROUTE, kNew, header);
  batch.attribute(RTA_GATEWAY, gateway.wire());
  batch.number(RTA_OIF, static_cast<std::uint32_t>(index));
}

void request_link(Batch& batch, const std::string& name) {
  batch.message(RTM_GETLINK, NLM_F_ACK, link_header());
  batch.text(IFLA_IFNAME, name);
}

std::optional<Link> find_link(Socket& socket, const std::string& name) {
  Batch batch;
  request_link(batch, name);
  std::optional<Link> found;
  try {
    socket.exchange(batch, name, [&](std::uint16_t, std::string_view payload) { found = parse_link(payload); });
  } catch (const Error& error) {
    if (error.error_number() != ENODEV) throw;
  }
  return found;
}

std::vector<Link> list_links(Socket& socket) {
  Batch batch;
  batch.message(RTM_GETLINK, NLM_F_ACK | NLM_F_DUMP, link_header());
  std::vector<Link> links;
  socket.exchange(batch, "listing links", [&](std::uint16_t type, std::string_view payload) {
    std::optional<Link> link = parse_link(payload);
    if (type == RTM_NEWLINK && link) links.push_back(std::move(*link));
  });
  return links;
}

std::vector<Address> list_addresses(Socket& socket) {
  Batch batch;
  batch.message(RTM_GETADDR, NLM_F_ACK | NLM_F_DUMP, address_header(0, 0));
  std::vector<Address> addresses;
  socket.exchange(batch, "listing addresses", [&](std::uint16_t type, std::string_view payload) {
    const auto header = split_header<ifaddrmsg>(payload);
    if (type != RTM_NEWADDR || !header || header->ifa_family != AF_INET) return;
    const Ipv4 address = from_wire(Attributes{payload}.number<std::uint32_t>(IFA_LOCAL));
    addresses.push_back({static_cast<int>(header->ifa_index), {address, header->ifa_prefixlen}});
  });
  return addresses;
}

std::vector<Cidr> list_routes(Socket& socket) {
  Batch batch;
  batch.message(RTM_GETROUTE, NLM_F_ACK | NLM_F_DUMP, rtmsg{.rtm_family = AF_INET});
  std::vector<Cidr> routes;
  socket.exchange(batch, "listing routes", [&](std::uint16_t type, std::string_view payload) {
    const auto header = split_header<rtmsg>(payload);
    if (type != RTM_NEWROUTE || !header || header->rtm_family != AF_INET || header->rtm_dst_len == 0) return;
    routes.push_back({from_wire(Attributes{payload}.number<std::uint32_t>(RTA_DST)), header->rtm_dst_len});
  });
  return routes;
}

}  // namespace berth::network::netlink
