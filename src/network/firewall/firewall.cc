#include "network/firewall/firewall.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "base/core/error.h"
#include "base/core/text.h"
#include "network/firewall/layout.h"

namespace berth::network {

namespace {

// CTA_FILTER_F_* of the kernel's net/netfilter/nf_conntrack_netlink.c, which no header exports.
constexpr std::uint32_t kFilterProtocol = 1 << 3, kFilterDestinationPort = 1 << 5;

nfgenmsg ipv4_header() { return {.nfgen_family = NFPROTO_IPV4, .version = NFNETLINK_V0, .res_id = 0}; }

std::uint16_t nft_type(int message) { return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message); }

}  // namespace

Firewall::Firewall(const std::string& instance, const Logger& log)
    : log_(log), table_(cat("berth-", instance)), socket_(NETLINK_NETFILTER) {}

Firewall::PortKey Firewall::key_of(const PublishedPort& port) { return {port.protocol, port.host_ip, port.host_port}; }

void Firewall::open() {
  const std::lock_guard lock{mutex_};
  if (!has_our_layout()) rebuild();
}

bool Firewall::has_our_layout() {
  netlink::Batch batch;
  batch.message(nft_type(NFT_MSG_GETCHAIN), NLM_F_ACK, ipv4_header());
  batch.text(NFTA_CHAIN_TABLE, table_);
  batch.text(NFTA_CHAIN_NAME, layout::kMarkerChain);
  try {
    socket_.exchange(batch, "looking for the nf_tables table");
    return true;
  } catch (const Error& error) {
    if (error.error_number() == ENOENT) return false;
    throw;
  }
}

void Firewall::rebuild() {
  nft::Transaction transaction{table_};
  transaction.add_table();  // so that deleting it is no error when it was not there
  transaction.delete_table();
  add_layout(transaction);
  commit(transaction);
}

void Firewall::add_layout(nft::Transaction& transaction) const {
  layout::add(transaction);
  add_bridge_elements(transaction);
  add_port_elements(transaction);
}

void Firewall::add_bridge_elements(nft::Transaction& transaction) const {
  std::vector<nft::Transaction::Element> links, icc, internal, subnets, masquerade;
  for (const BridgeRules& bridge : bridges_) {
    const std::string name = layout::link_key(bridge.link);
    links.push_back({name});
    if (bridge.icc) icc.push_back({name + name});
    if (bridge.internal) internal.push_back({name});
    const std::vector<nft::Transaction::Element> block = layout::interval(bridge.subnet);
    subnets.insert(subnets.end(), block.begin(), block.end());
    if (bridge.masquerade && !bridge.internal) masquerade.insert(masquerade.end(), block.begin(), block.end());
  }
  transaction.add_elements(layout::kBridges, links);
  transaction.add_elements(layout::kIcc, icc);
  transaction.add_elements(layout::kInternal, internal);
  transaction.add_elements(layout::kSubnets, subnets);
  transaction.add_elements(layout::kMasquerade, masquerade);
}

void Firewall::add_port_elements(nft::Transaction& transaction) const {
  std::vector<nft::Transaction::Element> any, exact;
  for (const auto& [key, port] : ports_) (port.host_ip.value == 0 ? any : exact).push_back(layout::port_element(port));
  transaction.add_elements(layout::kPortsAny, any);
  transaction.add_elements(layout::kPortsExact, exact);
}

void Firewall::commit(nft::Transaction& transaction) {
  socket_.exchange(transaction.finish(), cat("nf_tables table ", table_));
}

void Firewall::refresh_or_rebuild(bool with_ports) {
  nft::Transaction transaction{table_};
  for (const std::string_view set : layout::kBridgeSets) transaction.flush_set(set);
  add_bridge_elements(transaction);
  if (with_ports) {
    transaction.flush_set(layout::kPortsAny);
    transaction.flush_set(layout::kPortsExact);
    add_port_elements(transaction);
  }
  try {
    commit(transaction);
  } catch (const Error& error) {
    log_.warn("making the firewall's table anew: ", error.text());
    rebuild();
  }
}

void Firewall::set_bridges(std::vector<BridgeRules> bridges) {
  const std::lock_guard lock{mutex_};
  bridges_ = std::move(bridges);
  refresh_or_rebuild(false);
}

void Firewall::publish(const std::vector<PublishedPort>& ports) {
  if (ports.empty()) return;
  const std::lock_guard lock{mutex_};
  std::vector<nft::Transaction::Element> any, exact;
  for (const PublishedPort& port : ports) {
    ports_.insert_or_assign(key_of(port), port);
    (port.host_ip.value == 0 ? any : exact).push_back(layout::port_element(port));
  }
  nft::Transaction transaction{table_};
  transaction.add_elements(layout::kPortsAny, any);
  transaction.add_elements(layout::kPortsExact, exact);
  try {
    commit(transaction);
  } catch (const Error&) {  // the table is gone, or an element of an earlier run is in the way
    refresh_or_rebuild(true);
  }
  forget_udp_flows(ports);
}

void Firewall::withdraw(const std::vector<PublishedPort>& ports) {
  if (ports.empty()) return;
  const std::lock_guard lock{mutex_};
  std::vector<nft::Transaction::Element> any, exact;
  for (const PublishedPort& port : ports) {
    ports_.erase(key_of(port));
    (port.host_ip.value == 0 ? any : exact).push_back(layout::port_element(port));
  }
  nft::Transaction transaction{table_};
  transaction.delete_elements(layout::kPortsAny, any);
  transaction.delete_elements(layout::kPortsExact, exact);
  try {
    commit(transaction);
  } catch (const Error&) {  // one of them was gone already, so none was deleted
    refresh_or_rebuild(true);
  }
  forget_udp_flows(ports);
}

void Firewall::replace_ports(const std::vector<PublishedPort>& ports) {
  const std::lock_guard lock{mutex_};
  ports_.clear();
  for (const PublishedPort& port : ports) ports_.insert_or_assign(key_of(port), port);
  refresh_or_rebuild(true);
}

void Firewall::remove_table() {
  const std::lock_guard lock{mutex_};
  bridges_.clear();
  ports_.clear();
  nft::Transaction transaction{table_};
  transaction.add_table();
  transaction.delete_table();
  commit(transaction);
}

// A UDP flow that the kernel already tracks keeps its old translation (or none) as long as packets come, and would
// never reach the new container. Kernels before 5.8 do not know the filter and refuse; then only time helps.
void Firewall::forget_udp_flows(const std::vector<PublishedPort>& ports) {
  for (const PublishedPort& port : ports) {
    if (port.protocol != IPPROTO_UDP) continue;
    netlink::Batch batch;
    batch.message(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, NLM_F_ACK, ipv4_header());
    batch.nested(CTA_TUPLE_ORIG, [&] {
      batch.nested(CTA_TUPLE_PROTO, [&] {
        batch.number(CTA_PROTO_NUM, port.protocol);
        batch.network_number(CTA_PROTO_DST_PORT, port.host_port);
      });
    });
    batch.nested(CTA_FILTER, [&] { batch.number(CTA_FILTER_ORIG_FLAGS, kFilterProtocol | kFilterDestinationPort); });
    try {
      socket_.exchange(batch, "forgetting UDP flows");
    } catch (const Error& error) {
      log_.debug(error.text());
    }
  }
}

void Firewall::warn_about_foreign_policies() {
  const std::lock_guard lock{mutex_};
  netlink::Batch batch;
  batch.message(nft_type(NFT_MSG_GETCHAIN), NLM_F_ACK | NLM_F_DUMP,
                nfgenmsg{.nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0, .res_id = 0});
  socket_.exchange(batch, "listing nf_tables chains", [&](std::uint16_t, std::string_view payload) {
    if (payload.size() < sizeof(nfgenmsg)) return;
    const auto family = static_cast<std::uint8_t>(payload[0]);
    const netlink::Attributes chain{payload.substr(sizeof(nfgenmsg))};
    const auto hook = chain.find(NFTA_CHAIN_HOOK);
    if ((family != NFPROTO_IPV4 && family != NFPROTO_INET) || !hook || chain.text(NFTA_CHAIN_TABLE) == table_) return;
    const auto number = netlink::Attributes{*hook}.number<std::uint32_t>(NFTA_HOOK_HOOKNUM);
    const auto policy = chain.number<std::uint32_t>(NFTA_CHAIN_POLICY);
    if (number != netlink::big_endian(std::uint32_t{NF_INET_FORWARD}) || policy != std::uint32_t{NF_DROP}) return;
    log_.warn("the firewall chain \"", chain.text(NFTA_CHAIN_TABLE), ' ', chain.text(NFTA_CHAIN_NAME),
              "\" drops forwarded packets by default: containers reach nothing beyond this host, and published ports "
              "are not reachable from other hosts, until it accepts traffic of the bridges");
  });
}

}  // namespace berth::network
