#include "network/kernel_networks.h"

#include <netinet/in.h>

#include <algorithm>
#include <set>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/core/time.h"
#include "base/sys/file.h"

namespace berth::network {

namespace {

constexpr std::size_t kLinkIdDigits = 11;  // "bv" and these: 13 of the 15 characters that a link's name may have

Error forbidden(std::string text) { return {ErrorKind::forbidden, std::move(text)}; }

std::uint8_t protocol_number(const std::string& name) {
  if (name == "tcp" || name.empty()) return IPPROTO_TCP;
  if (name == "udp") return IPPROTO_UDP;
  if (name == "sctp") return IPPROTO_SCTP;
  throw invalid(cat("invalid proto: ", name));
}

Ipv4 host_address(const std::string& text) {
  const std::optional<Ipv4> address = Ipv4::parse(text);
  if (address) return *address;
  if (text.find(':') != std::string::npos) throw not_implemented(cat("publishing ports on the IPv6 address ", text));
  throw invalid(cat("invalid IP address: ", text));
}

std::string saved_subnet_path(const Config& config) { return cat(config.state_dir, "/default-bridge-address"); }

}  // namespace

KernelNetworks::KernelNetworks(Config config, std::vector<NetworkRecord> known, const Logger& log)
    : config_(std::move(config)),
      log_(log),
      driver_(config_.instance, log),
      host_(make_predefined_record(config_, "host", "host")),
      none_(make_predefined_record(config_, "none", "null")),
      reaper_([this](const std::string& link) {
        try {
          driver_.remove_veth(link);
        } catch (const Error& error) {
          log_.warn(error.text());
        }
      }) {
  if (config_.bridge != "none") open_default_network();
  for (NetworkRecord& record : known) open_known_network(std::move(record));
  sweep_orphan_bridges();
  if (config_.firewall) open_firewall();  // after what a wrong option may stop: a refused start leaves no table behind
  update_firewall_bridges();
  if (config_.ip_forward) {
    try {
      ensure_sysctl("/proc/sys/net/ipv4/ip_forward", "1");
    } catch (const Error& error) {
      log_.warn("IPv4 forwarding stays off, containers reach nothing beyond this host: ", error.text());
    }
  }
}

void KernelNetworks::open_firewall() {
  try {
    firewall_.emplace(config_.instance, log_);
    firewall_->open();
    firewall_->warn_about_foreign_policies();
  } catch (Error& error) {
    error.during("setting up the firewall, which needs nf_tables in the kernel (--iptables=false goes without)");
    throw;
  }
}

void KernelNetworks::open_default_network() {
  bridge_name_ = NamespaceName::take(cat("berth-bridge-", config_.bridge), std::chrono::seconds{2});
  if (!bridge_name_) {
    throw conflict(cat("another daemon uses the bridge ", config_.bridge, "; give this one its own with --bridge"));
  }
  const auto choosing = lock_subnet_choice();
  BridgeNetwork network = make_default_network(config_, default_bridge_address());
  driver_.ensure_bridge(network.bridge, network.record.id);
  sys::ensure_dir(config_.state_dir);
  sys::write_file(saved_subnet_path(config_), network.bridge.address.text());
  default_network_ = std::make_shared<const BridgeNetwork>(std::move(network));
}

// --bip; what the bridge has; what it had before; a free one.
Cidr KernelNetworks::default_bridge_address() {
  if (!config_.bip.empty()) {
    const std::optional<Cidr> asked = Cidr::parse(config_.bip);
    if (!asked) throw invalid(cat("invalid CIDR address: ", config_.bip));
    return *asked;
  }
  if (const std::optional<Cidr> present = driver_.find_bridge_address(config_.bridge)) return *present;
  if (const std::optional<Cidr> range = Cidr::parse(config_.fixed_cidr)) {
    return {{range->first().value + 1}, range->prefix};
  }
  const std::vector<Cidr> taken = driver_.host_blocks();
  const auto saved_text = sys::read_file_if_exists(saved_subnet_path(config_));
  const std::optional<Cidr> saved = Cidr::parse(trim(saved_text.value_or("")));
  if (saved && std::ranges::none_of(taken, [&](const Cidr& block) { return block.overlaps(saved->network()); })) {
    return *saved;
  }
  NetworkRecord chosen;
  choose_addresses(chosen, {}, taken);
  return {*Ipv4::parse(chosen.gateway), Cidr::parse(chosen.subnet)->prefix};
}

// One network that can't be opened must not keep the daemon from starting; attaching to it says that it is not there.
void KernelNetworks::open_known_network(NetworkRecord record) {
  const std::string name = record.name;
  try {
    BridgeNetwork network = make_bridge_network(std::move(record), config_);
    driver_.ensure_bridge(network.bridge, network.record.id);
    user_networks_.push_back(std::make_shared<const BridgeNetwork>(std::move(network)));
  } catch (const Error& error) {
    log_.error("network ", name, " is not available: ", error.text());
  }
}

// A bridge whose network was never answered for: the daemon died between making it and storing it.
void KernelNetworks::sweep_orphan_bridges() {
  std::set<std::string> wanted{config_.bridge};
  for (const NetworkPtr& network : user_networks_) wanted.insert(network->bridge.link);
  driver_.sweep(BridgeDriver::Kind::bridge, [&](const std::string& link) { return wanted.contains(link); });
}

void KernelNetworks::update_firewall_bridges() {
  if (!firewall_) return;
  std::vector<BridgeRules> rules;
  {
    const std::lock_guard lock{mutex_};
    if (default_network_) rules.push_back(default_network_->rules());
    for (const NetworkPtr& network : user_networks_) rules.push_back(network->rules());
  }
  firewall_->set_bridges(std::move(rules));
}

KernelNetworks::NetworkPtr KernelNetworks::find_bridge_network(const std::string& id) const {
  const std::lock_guard lock{mutex_};
  if (default_network_ && default_network_->record.id == id) return default_network_;
  const auto found =
      std::ranges::find(user_networks_, id, [](const NetworkPtr& network) { return network->record.id; });
  return found == user_networks_.end() ? nullptr : *found;
}

KernelNetworks::NetworkPtr KernelNetworks::get_bridge_network(const std::string& name_or_id) const {
  const std::optional<NetworkRecord> record = find(name_or_id);
  if (!record) throw not_found(cat("network ", name_or_id, " not found"));
  NetworkPtr network = find_bridge_network(record->id);
  if (!network) throw invalid(cat("network ", record->name, " has no endpoints of its own"));
  return network;
}

AddressLease KernelNetworks::lease_address(const BridgeNetwork& network, const EndpointRequest& request) const {
  const std::string& wanted = request.ipv4_address;
  if (wanted.empty()) {
    const std::optional<Ipv4> preferred = Ipv4::parse(request.preferred_address);
    if (preferred && network.pool->subnet().contains(*preferred) && network.pool->take(*preferred)) {
      return {network.pool, *preferred};
    }
    const std::optional<Ipv4> next = network.pool->take_next();
    if (!next) {
      throw system_error(cat("no available IPv4 addresses on this network's address pools: ", network.record.name, " (",
                             network.record.id, ')'));
    }
    return {network.pool, *next};
  }
  if (network.is_default) throw invalid("user specified IP address is supported on user defined networks only");
  const std::optional<Ipv4> address = Ipv4::parse(wanted);
  if (!address) throw invalid(cat("invalid IPv4 address: ", wanted));
  if (!network.pool->subnet().contains(*address))
    throw invalid(cat("no configured subnet contains IP address ", wanted));
  if (!network.pool->take(*address)) throw forbidden("Address already in use");
  return {network.pool, *address};
}

void KernelNetworks::reserve_ports(const EndpointRequest& request, Endpoint& endpoint, Holding& holding) {
  const Ipv4 container_ip = holding.address.address();
  for (const PortRequest& wanted : request.ports) {
    const std::string host_ip = wanted.host_ip.empty() ? holding.network->host_binding : wanted.host_ip;
    const std::string protocol = wanted.protocol.empty() ? "tcp" : wanted.protocol;
    const PortTable::Wanted port{.protocol = protocol_number(protocol),
                                 .host_ip = host_address(host_ip),
                                 .first = wanted.host_first,
                                 .last = wanted.host_last,
                                 .target = cat(container_ip.text(), ':', wanted.container_port, '/', protocol)};
    try {
      holding.port_leases.push_back(ports_.reserve(port));
    } catch (Error& error) {
      const std::string& name = request.container_name.empty() ? request.container_id : request.container_name;
      error.during(cat("driver failed programming external connectivity on endpoint ", name, " (", endpoint.id, ')'));
      throw;
    }
    const std::uint16_t host_port = holding.port_leases.back().port();
    holding.published.push_back({port.protocol, port.host_ip, host_port, container_ip, wanted.container_port});
    endpoint.ports.push_back({wanted.container_port, host_port, protocol, host_ip});
  }
}

class KernelNetworks::Announcement {
 public:
  Announcement(KernelNetworks& owner, const NetworkPtr& network, const Endpoint& endpoint)
      : owner_(owner), id_(endpoint.id) {
    const std::lock_guard lock{owner_.mutex_};
    if (network != owner_.default_network_ &&
        std::ranges::find(owner_.user_networks_, network) == owner_.user_networks_.end()) {
      throw not_found(cat("network ", network->record.name, " not found"));  // removed just now
    }
    owner_.holdings_.emplace(id_, Holding{.network = network, .host_link = endpoint.host_link});
  }
  ~Announcement() {
    if (is_complete_) return;
    const std::lock_guard lock{owner_.mutex_};
    owner_.holdings_.erase(id_);
  }
  Announcement(const Announcement&) = delete;
  Announcement& operator=(const Announcement&) = delete;

  void complete(Holding holding) {
    const std::lock_guard lock{owner_.mutex_};
    owner_.holdings_.insert_or_assign(id_, std::move(holding));
    is_complete_ = true;
  }

 private:
  KernelNetworks& owner_;
  const std::string id_;
  bool is_complete_ = false;
};

Sandbox KernelNetworks::attach(const EndpointRequest& request) {
  const std::shared_lock not_reconciling{reconciling_};
  Holding holding{.network = get_bridge_network(request.network)};
  const BridgeNetwork& network = *holding.network;
  Endpoint endpoint;
  endpoint.id = random_id();
  endpoint.host_link = holding.host_link = cat("bv", endpoint.id.substr(0, kLinkIdDigits));
  Announcement announcement{*this, holding.network, endpoint};
  endpoint.network_id = network.record.id;
  endpoint.network_name = network.record.name;
  endpoint.container_id = request.container_id;
  holding.address = lease_address(network, request);
  const Ipv4 address = holding.address.address();
  if (!network.record.internal) reserve_ports(request, endpoint, holding);

  const std::string mac = request.mac_address.empty() ? mac_for(address) : parse_mac(request.mac_address);
  endpoint.mac_address = mac_text(mac);
  endpoint.ipv4_address = address.text();
  endpoint.prefix_length = network.bridge.address.prefix;
  if (!network.record.internal) endpoint.gateway = network.gateway.text();
  Sandbox sandbox;
  sandbox.netns = driver_.plug_in(network.bridge,
                                  {.host_link = endpoint.host_link,
                                   .container_id = request.container_id,
                                   .mac = mac,
                                   .address = {address, endpoint.prefix_length},
                                   .gateway = network.record.internal ? std::nullopt : std::optional{network.gateway}});
  if (firewall_) {
    try {
      firewall_->publish(holding.published);
    } catch (const Error&) {
      firewall_->withdraw(holding.published);
      throw;
    }
  }
  announcement.complete(std::move(holding));
  sandbox.endpoint = std::move(endpoint);
  return sandbox;
}

Sandbox KernelNetworks::isolated() { return {driver_.make_isolated(), std::nullopt}; }

void KernelNetworks::detach(const Endpoint& endpoint) {
  const std::shared_lock not_reconciling{reconciling_};
  std::map<std::string, Holding>::node_type node;
  {
    const std::lock_guard lock{mutex_};
    node = holdings_.extract(endpoint.id);
  }
  if (node.empty()) return;
  if (firewall_) firewall_->withdraw(node.mapped().published);
  reaper_.remove_later(node.mapped().host_link);
}

KernelNetworks::Holding KernelNetworks::adopt(const Endpoint& endpoint, const NetworkPtr& network) {
  Holding holding{.network = network, .host_link = endpoint.host_link};
  const std::optional<Ipv4> address = Ipv4::parse(endpoint.ipv4_address);
  if (!address) throw invalid(cat("endpoint ", endpoint.id, " has the address ", quoted(endpoint.ipv4_address)));
  if (network->pool->take(*address)) {
    holding.address = {network->pool, *address};
  } else {
    log_.warn("two running containers have the address ", endpoint.ipv4_address, "; one is ", endpoint.container_id);
  }
  for (const BoundPort& port : endpoint.ports) {
    const PortTable::Wanted wanted{.protocol = protocol_number(port.protocol),
                                   .host_ip = host_address(port.host_ip),
                                   .first = port.host_port,
                                   .last = port.host_port};
    bool bound = false;
    holding.port_leases.push_back(ports_.adopt(wanted, bound));
    if (!bound) {
      log_.warn("another program has taken ", port.host_ip, ':', port.host_port, '/', port.protocol,
                " while the daemon was away; it stays published for container ", endpoint.container_id);
    }
    holding.published.push_back({wanted.protocol, wanted.host_ip, port.host_port, *address, port.container_port});
  }
  return holding;
}

std::vector<Traffic> KernelNetworks::traffic(const std::vector<std::string>& host_links) {
  std::vector<Traffic> traffic;
  traffic.reserve(host_links.size());
  // The host's end of a pair receives what the container sends.
  for (const netlink::Counters& host : driver_.counters(host_links)) {
    traffic.push_back({.rx_bytes = host.tx_bytes,
                       .rx_packets = host.tx_packets,
                       .rx_errors = host.tx_errors,
                       .rx_dropped = host.tx_dropped,
                       .tx_bytes = host.rx_bytes,
                       .tx_packets = host.rx_packets,
                       .tx_errors = host.rx_errors,
                       .tx_dropped = host.rx_dropped});
  }
  return traffic;
}

void KernelNetworks::reconcile(const std::vector<Endpoint>& alive) {
  const std::unique_lock alone{reconciling_};
  std::set<std::string> wanted_links;
  std::map<NetworkPtr, std::vector<std::string>> links_of;
  for (const Endpoint& endpoint : alive) {
    wanted_links.insert(endpoint.host_link);
    NetworkPtr network = find_bridge_network(endpoint.network_id);
    if (!network) {
      log_.warn("the network ", endpoint.network_name, " of running container ", endpoint.container_id,
                " is not there");
      continue;
    }
    {
      const std::lock_guard lock{mutex_};
      if (holdings_.contains(endpoint.id)) continue;
    }
    try {
      Holding holding = adopt(endpoint, network);
      links_of[network].push_back(endpoint.host_link);
      const std::lock_guard lock{mutex_};
      holdings_.emplace(endpoint.id, std::move(holding));
    } catch (const Error& error) {
      log_.warn(error.text());
    }
  }
  std::vector<PublishedPort> published;
  {
    const std::lock_guard lock{mutex_};
    for (const auto& [id, holding] : holdings_) {
      wanted_links.insert(holding.host_link);
      published.insert(published.end(), holding.published.begin(), holding.published.end());
    }
  }
  if (firewall_) firewall_->replace_ports(published);
  for (const auto& [network, links] : links_of) driver_.reconnect(network->bridge, links);
  driver_.sweep(BridgeDriver::Kind::veth, [&](const std::string& link) { return wanted_links.contains(link); });
}

std::vector<NetworkRecord> KernelNetworks::list() const {
  const std::lock_guard lock{mutex_};
  std::vector<NetworkRecord> records;
  if (default_network_) records.push_back(default_network_->record);
  records.push_back(host_);
  records.push_back(none_);
  for (const NetworkPtr& network : user_networks_) records.push_back(network->record);
  return records;
}

std::optional<NetworkRecord> KernelNetworks::find(const std::string& name_or_id) const {
  const std::vector<NetworkRecord> records = list();
  for (const auto member : {&NetworkRecord::id, &NetworkRecord::name}) {
    const auto found = std::ranges::find(records, name_or_id, member);
    if (found != records.end()) return *found;
  }
  if (name_or_id == "default") return find("bridge");  // what clients send as the network mode
  const auto has_prefix = [&](const NetworkRecord& record) { return record.id.starts_with(name_or_id); };
  const auto count = std::ranges::count_if(records, has_prefix);
  if (name_or_id.empty() || count == 0) return std::nullopt;
  if (count > 1) throw invalid(cat("network ", name_or_id, " is ambiguous (", count, " matches found on ID prefix)"));
  return *std::ranges::find_if(records, has_prefix);
}

std::vector<Cidr> KernelNetworks::known_subnets() const {
  const std::lock_guard lock{mutex_};
  std::vector<Cidr> subnets;
  if (default_network_) subnets.push_back(default_network_->bridge.address.network());
  for (const NetworkPtr& network : user_networks_) subnets.push_back(network->bridge.address.network());
  return subnets;
}

NetworkRecord KernelNetworks::create(NetworkRecord wanted) {
  if (wanted.enable_ipv6) throw not_implemented("IPv6 networks");
  if (wanted.driver != "bridge") throw not_implemented(cat("the network driver ", wanted.driver));
  const std::lock_guard changing{changing_};
  const std::vector<NetworkRecord> present = list();
  if (std::ranges::find(present, wanted.name, &NetworkRecord::name) != present.end()) {
    throw conflict(cat("network with name ", wanted.name, " already exists"));
  }
  if (wanted.id.empty()) wanted.id = random_id();
  if (wanted.created.empty()) wanted.created = format_time(now());
  const auto named = wanted.options.find(std::string{option::kBridgeName});
  if (wanted.bridge_link.empty()) {
    wanted.bridge_link = named != wanted.options.end() ? named->second : cat("br-", wanted.id.substr(0, 12));
  }
  if (wanted.bridge_link.size() > 15)
    throw invalid(cat("invalid bridge name ", quoted(wanted.bridge_link), ": too long"));
  if (std::ranges::find(present, wanted.bridge_link, &NetworkRecord::bridge_link) != present.end()) {
    throw forbidden(cat("cannot create network ", wanted.id, " (", wanted.bridge_link,
                        "): conflicts with another network: "
                        "networks have same bridge name"));
  }
  const auto choosing = lock_subnet_choice();
  choose_addresses(wanted, known_subnets(), driver_.host_blocks());
  BridgeNetwork network = make_bridge_network(std::move(wanted), config_);
  driver_.ensure_bridge(network.bridge, network.record.id);
  NetworkRecord created = network.record;
  {
    const std::lock_guard guard{mutex_};
    user_networks_.push_back(std::make_shared<const BridgeNetwork>(std::move(network)));
  }
  update_firewall_bridges();
  return created;
}

void KernelNetworks::remove(const std::string& id) {
  const std::lock_guard changing{changing_};
  const NetworkPtr network = find_bridge_network(id);
  if (!network || network->is_default) {
    const std::optional<NetworkRecord> record = find(id);
    if (!record) throw not_found(cat("network ", id, " not found"));
    throw forbidden(cat(record->name, " is a pre-defined network and cannot be removed"));
  }
  {
    const std::lock_guard lock{mutex_};
    for (const auto& [endpoint, holding] : holdings_) {
      if (holding.network != network) continue;
      throw forbidden(
          cat("error while removing network: network ", network->record.name, " id ", id, " has active endpoints"));
    }
    std::erase(user_networks_, network);
  }
  update_firewall_bridges();
  driver_.remove_bridge(network->bridge.link);
}

std::string KernelNetworks::default_gateway() const {
  const std::lock_guard lock{mutex_};
  return default_network_ ? default_network_->bridge.address.address.text() : "";
}

void KernelNetworks::tear_down() {
  const std::lock_guard changing{changing_};
  if (firewall_) firewall_->remove_table();
  const auto nothing = [](const std::string&) { return false; };
  driver_.sweep(BridgeDriver::Kind::veth, nothing);
  driver_.sweep(BridgeDriver::Kind::bridge, nothing);
}

std::unique_ptr<Networks> open_networks(Config config, std::vector<NetworkRecord> known, const Logger& log) {
  return std::make_unique<KernelNetworks>(std::move(config), std::move(known), log);
}

}  // namespace berth::network
