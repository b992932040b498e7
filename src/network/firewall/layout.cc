#include "network/firewall/layout.h"

#include <linux/rtnetlink.h>

namespace berth::network::layout {

namespace {

using netlink::bytes_of;
using nft::Transaction;

// nft's numbers of data types; a concatenation has six bits for each part.
constexpr std::uint32_t kTypeAddress = 7, kTypeProtocol = 12, kTypePort = 13, kTypeLink = 41;
constexpr std::uint32_t concat(std::uint32_t a, std::uint32_t b) { return a << 6 | b; }
constexpr std::uint32_t kLinkSize = 16;

// Registers of four bytes: a concatenated key lies in several of them one after the other.
constexpr std::uint32_t reg(std::uint32_t number) { return NFT_REG32_00 + number; }

constexpr std::uint32_t kSourceOffset = 12, kDestinationOffset = 16;  // in the IPv4 header

// linux/netfilter_ipv4.h: before connection tracking, destination and source translation, filtering.
constexpr int kPriorityRaw = -300, kPriorityDnat = -100, kPriorityFilter = 0, kPrioritySnat = 100;

// include/net/netfilter/nf_conntrack.h: NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED);
// IPS_DST_NAT.
constexpr std::uint32_t kEstablishedOrRelated = 2 | 4, kStatusDnat = 1 << 5;

void add_sets(Transaction& t) {
  t.add_set({.name = kBridges, .key_type = kTypeLink, .key_size = kLinkSize});
  t.add_set({.name = kIcc, .key_type = concat(kTypeLink, kTypeLink), .key_size = 2 * kLinkSize});
  t.add_set({.name = kInternal, .key_type = kTypeLink, .key_size = kLinkSize});
  t.add_set({.name = kSubnets, .key_type = kTypeAddress, .key_size = 4, .flags = NFT_SET_INTERVAL});
  t.add_set({.name = kMasquerade, .key_type = kTypeAddress, .key_size = 4, .flags = NFT_SET_INTERVAL});
  t.add_set({.name = kPortsAny,
             .key_type = concat(kTypeProtocol, kTypePort),
             .key_size = 8,
             .data_type = concat(kTypeAddress, kTypePort),
             .data_size = 8});
  t.add_set({.name = kPortsExact,
             .key_type = concat(concat(kTypeAddress, kTypeProtocol), kTypePort),
             .key_size = 12,
             .data_type = concat(kTypeAddress, kTypePort),
             .data_size = 8});
}

void require_loopback(Transaction& t, std::uint32_t offset) {
  t.load_network_header(offset, 4, reg(0));
  t.mask(reg(0), std::string{"\xff\0\0\0", 4});
  t.require_equal(reg(0), std::string{"\x7f\0\0\0", 4});
}

void require_link_in(Transaction& t, std::uint32_t meta_key, std::string_view set) {
  t.load_meta(meta_key, reg(0));
  t.require_in_set(set, reg(0));
}

void require_connection_bits(Transaction& t, std::uint32_t ct_key, std::uint32_t bits) {
  t.load_connection(ct_key, reg(0));
  t.mask(reg(0), bytes_of(bits));
  t.require_not_equal(reg(0), bytes_of(std::uint32_t{0}));
}

// route_localnet lets 127.0.0.0/8 cross the bridges, for this host's own connections to published ports. Containers
// must not use it to reach what listens on this host's loopback (CVE-2020-8558).
void add_raw_chain(Transaction& t) {
  t.add_base_chain("raw", "filter", NF_INET_PRE_ROUTING, kPriorityRaw);
  for (const std::uint32_t offset : {kDestinationOffset, kSourceOffset}) {
    t.add_rule("raw", [&] {
      require_link_in(t, NFT_META_IIFNAME, kBridges);
      require_loopback(t, offset);
      t.verdict(NF_DROP);
    });
  }
}

// Ports published on one address win over those published on all.
void add_publish_chain(Transaction& t) {
  t.add_chain("publish");
  t.add_rule("publish", [&] {
    t.load_network_header(kDestinationOffset, 4, reg(0));
    t.load_meta(NFT_META_L4PROTO, reg(1));
    t.load_transport_header(2, 2, reg(2));
    t.translate(kPortsExact, reg(0), reg(0));
    t.dnat(reg(0), reg(1));
  });
  t.add_rule("publish", [&] {
    t.load_meta(NFT_META_L4PROTO, reg(0));
    t.load_transport_header(2, 2, reg(1));
    t.translate(kPortsAny, reg(0), reg(0));
    t.dnat(reg(0), reg(1));
  });
}

void add_dnat_chains(Transaction& t) {
  const auto jump_if_local = [&](std::string_view chain) {
    t.add_rule(chain, [&] {
      t.load_destination_type(reg(0));
      t.require_equal(reg(0), bytes_of(std::uint32_t{RTN_LOCAL}));
      t.verdict(NFT_JUMP, "publish");
    });
  };
  t.add_base_chain("prerouting", "nat", NF_INET_PRE_ROUTING, kPriorityDnat);
  t.add_rule("prerouting", [&] {  // a port published on 127.0.0.1 is for this host alone
    require_loopback(t, kDestinationOffset);
    t.verdict(NFT_RETURN);
  });
  jump_if_local("prerouting");
  t.add_base_chain("output", "nat", NF_INET_LOCAL_OUT, kPriorityDnat);
  jump_if_local("output");
}

void add_postrouting_chain(Transaction& t) {
  t.add_base_chain("postrouting", "nat", NF_INET_POST_ROUTING, kPrioritySnat);
  t.add_rule("postrouting", [&] {  // this host through 127.0.0.1: no container could answer that address
    require_link_in(t, NFT_META_OIFNAME, kBridges);
    require_loopback(t, kSourceOffset);
    t.masquerade();
  });
  t.add_rule("postrouting", [&] {  // a container through a published port: the answer must come back by this host
    require_link_in(t, NFT_META_OIFNAME, kBridges);
    require_connection_bits(t, NFT_CT_STATUS, kStatusDnat);
    t.load_network_header(kSourceOffset, 4, reg(0));
    t.require_in_set(kSubnets, reg(0));
    t.masquerade();
  });
  t.add_rule("postrouting", [&] {
    t.load_meta(NFT_META_OIFNAME, reg(0));
    t.require_not_in_set(kBridges, reg(0));
    t.load_network_header(kSourceOffset, 4, reg(0));
    t.require_in_set(kMasquerade, reg(0));
    t.masquerade();
  });
}

// Into a bridge comes what its containers asked for and what is for a published port; nothing else, from wherever.
void add_forward_chain(Transaction& t) {
  const auto accept_into_bridges = [&](std::uint32_t ct_key, std::uint32_t bits) {
    t.add_rule("forward", [&] {
      require_link_in(t, NFT_META_OIFNAME, kBridges);
      require_connection_bits(t, ct_key, bits);
      t.verdict(NF_ACCEPT);
    });
  };
  t.add_base_chain("forward", "filter", NF_INET_FORWARD, kPriorityFilter);
  t.add_rule("forward", [&] {  // both ends on one bridge
    t.load_meta(NFT_META_IIFNAME, reg(0));
    t.load_meta(NFT_META_OIFNAME, reg(4));
    t.require_in_set(kIcc, reg(0));
    t.verdict(NF_ACCEPT);
  });
  for (const std::uint32_t key : {NFT_META_IIFNAME, NFT_META_OIFNAME}) {
    t.add_rule("forward", [&] {
      require_link_in(t, key, kInternal);
      t.verdict(NF_DROP);
    });
  }
  accept_into_bridges(NFT_CT_STATE, kEstablishedOrRelated);
  accept_into_bridges(NFT_CT_STATUS, kStatusDnat);
  t.add_rule("forward", [&] {
    require_link_in(t, NFT_META_OIFNAME, kBridges);
    t.verdict(NF_DROP);
  });
}

}  // namespace

void add(Transaction& t) {
  t.add_table();
  t.add_chain(kMarkerChain);
  add_sets(t);
  add_raw_chain(t);
  add_publish_chain(t);
  add_dnat_chains(t);
  add_postrouting_chain(t);
  add_forward_chain(t);
}

std::string link_key(std::string_view link) {
  std::string key{link.substr(0, kLinkSize - 1)};
  key.resize(kLinkSize);
  return key;
}

std::vector<Transaction::Element> interval(const Cidr& subnet) {
  const Ipv4 beyond{subnet.last().value + 1};
  return {{.key = subnet.first().wire()}, {.key = beyond.wire(), .interval_end = true}};
}

Transaction::Element port_element(const PublishedPort& port) {
  const auto cell = [](std::string_view bytes) {  // each part fills whole registers
    std::string padded{bytes};
    padded.resize(4);
    return padded;
  };
  std::string key = port.host_ip.value == 0 ? std::string{} : port.host_ip.wire();
  key += cell(bytes_of(port.protocol));
  key += cell(bytes_of(netlink::big_endian(port.host_port)));
  return {.key = std::move(key),
          .data = port.container_ip.wire() + cell(bytes_of(netlink::big_endian(port.container_port)))};
}

}  // namespace berth::network::layout
