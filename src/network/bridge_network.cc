#include "network/bridge_network.h"

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/core/time.h"
#include "network/ipam/subnets.h"

namespace berth::network {

namespace {

const std::string* find_option(const NetworkRecord& record, std::string_view name) {
  const auto found = record.options.find(std::string{name});
  return found == record.options.end() ? nullptr : &found->second;
}

// The spellings that Go's strconv.ParseBool takes.
bool bool_option(const NetworkRecord& record, std::string_view name, bool otherwise) {
  const std::string* text = find_option(record, name);
  if (text == nullptr) return otherwise;
  for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"})
    if (*text == yes) return true;
  for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"})
    if (*text == no) return false;
  throw invalid(
      cat("failed to parse ", name, " value: strconv.ParseBool: parsing ", quoted(*text), ": invalid syntax"));
}

int mtu_option(const NetworkRecord& record, int otherwise) {
  const std::string* text = find_option(record, option::kMtu);
  if (text == nullptr) return otherwise;
  const std::optional<int> number = parse_number<int>(*text);
  if (!number) throw invalid(cat("failed to parse ", option::kMtu, " value: ", quoted(*text)));
  if (*number != 0 && (*number < 68 || *number > 65535)) throw invalid(cat("invalid MTU number: ", *number));
  return *number == 0 ? otherwise : *number;
}

Cidr get_cidr(const std::string& text, std::string_view what) {
  const std::optional<Cidr> cidr = Cidr::parse(text);
  if (!cidr) throw invalid(cat("invalid ", what, ' ', text, ": invalid CIDR block notation"));
  return *cidr;
}

Ipv4 get_address(const std::string& text, std::string_view what) {
  const std::optional<Ipv4> address = Ipv4::parse(text);
  if (!address) throw invalid(cat("invalid ", what, ' ', text, ": invalid address"));
  return *address;
}

/// 64 hex digits that are the same at every start of the same daemon.
std::string fixed_id(const Config& config, std::string_view name) {
  std::string id;
  for (std::uint64_t part = 0; part < 4; ++part) {
    std::uint64_t hash = 14695981039346656037u ^ part * 0x9e3779b97f4a7c15u;  // FNV-1a
    for (const char c : cat(config.instance, '/', name)) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    hash ^= hash >> 29;
    id.append(reinterpret_cast<const char*>(&hash), sizeof hash);
  }
  return to_hex(id);
}

constexpr std::string_view as_text(bool value) { return value ? "true" : "false"; }

}  // namespace

BridgeNetwork make_bridge_network(NetworkRecord record, const Config& config) {
  BridgeNetwork network;
  const Cidr subnet = get_cidr(record.subnet, "subnet");
  const Cidr range = record.ip_range.empty() ? subnet : get_cidr(record.ip_range, "ip-range");
  if (!subnet.contains(range.first()) || range.prefix < subnet.prefix) {
    throw invalid(
        cat("invalid ip-range ", range.text(), ": parent subnet ", subnet.text(), " doesn't contain ip-range"));
  }
  network.gateway = get_address(record.gateway, "gateway");
  network.bridge = {.link = record.bridge_link,
                    .index = 0,
                    .address = {network.gateway, subnet.prefix},
                    .mtu = mtu_option(record, config.mtu),
                    .icc = bool_option(record, option::kIcc, true),
                    .internal = record.internal};
  network.masquerade = bool_option(record, option::kMasquerade, true);
  network.host_binding = config.default_host_ip.empty() ? "0.0.0.0" : config.default_host_ip;
  if (const std::string* binding = find_option(record, option::kHostBinding)) network.host_binding = *binding;
  network.pool = std::make_shared<AddressPool>(subnet, range);
  network.pool->take(network.gateway);
  for (const auto& [name, address] : record.aux_addresses)
    network.pool->take(get_address(address, "auxiliary address"));
  network.record = std::move(record);
  return network;
}

BridgeNetwork make_default_network(const Config& config, const Cidr& address) {
  NetworkRecord record;
  record.id = fixed_id(config, "bridge");
  record.name = "bridge";
  record.subnet = address.network().text();
  record.gateway = address.address.text();
  record.bridge_link = config.bridge;
  record.created = format_time(now());
  record.ip_range = config.fixed_cidr;
  record.options = {{std::string{option::kDefaultBridge}, "true"},
                    {std::string{option::kIcc}, std::string{as_text(config.icc)}},
                    {std::string{option::kMasquerade}, std::string{as_text(config.ip_masq)}},
                    {std::string{option::kHostBinding}, config.default_host_ip},
                    {std::string{option::kBridgeName}, config.bridge},
                    {std::string{option::kMtu}, cat(config.mtu)}};
  BridgeNetwork network = make_bridge_network(std::move(record), config);
  network.is_default = true;
  if (!config.default_gateway.empty()) {
    network.gateway = get_address(config.default_gateway, "default gateway");
    if (!address.contains(network.gateway)) {
      throw invalid(
          cat("default gateway ", config.default_gateway, " is not in the bridge's subnet ", address.network().text()));
    }
    network.pool->take(network.gateway);
  }
  return network;
}

NetworkRecord make_predefined_record(const Config& config, std::string name, std::string driver) {
  NetworkRecord record;
  record.id = fixed_id(config, name);
  record.name = std::move(name);
  record.driver = std::move(driver);
  record.created = format_time(now());
  return record;
}

void choose_addresses(NetworkRecord& wanted, const std::vector<Cidr>& known, const std::vector<Cidr>& host_blocks) {
  Cidr subnet;
  if (wanted.subnet.empty()) {
    std::vector<Cidr> taken = known;
    taken.insert(taken.end(), host_blocks.begin(), host_blocks.end());
    const std::optional<Cidr> chosen = choose_subnet(taken);
    if (!chosen) throw invalid("all predefined address pools have been fully subnetted");
    subnet = *chosen;
  } else {
    subnet = get_cidr(wanted.subnet, "subnet").network();
    for (const Cidr& other : known) {
      if (!other.overlaps(subnet)) continue;
      throw Error{ErrorKind::forbidden, "invalid pool request: Pool overlaps with other one on this address space"};
    }
  }
  wanted.subnet = subnet.text();
  if (wanted.gateway.empty()) {
    const Cidr range = wanted.ip_range.empty() ? subnet : get_cidr(wanted.ip_range, "ip-range");
    wanted.gateway = Ipv4{range.first() == subnet.first() ? subnet.first().value + (subnet.prefix < 31 ? 1 : 0)
                                                          : range.first().value}
                         .text();
  }
}

std::string parse_mac(const std::string& text) {
  const std::vector<std::string> pieces = split(text, text.find('-') == std::string::npos ? ':' : '-');
  std::string mac;
  for (const std::string& piece : pieces) {
    const std::optional<std::uint8_t> byte = parse_number<std::uint8_t>(piece, 16);
    if (byte && piece.size() == 2) mac.push_back(static_cast<char>(*byte));
  }
  if (pieces.size() != 6 || mac.size() != 6) throw invalid(cat("invalid MAC address: ", text));
  if ((mac[0] & 1) != 0) throw invalid(cat("invalid MAC address: ", text, ": a multicast address"));
  return mac;
}

std::string mac_for(Ipv4 address) { return std::string{"\x02\x42", 2} + address.wire(); }

std::string mac_text(const std::string& bytes) {
  const std::string hex = to_hex(bytes);
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < hex.size(); at += 2) pieces.push_back(hex.substr(at, 2));
  return join(pieces, ":");
}

}  // namespace berth::network
