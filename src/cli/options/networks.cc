#include "cli/options/networks.h"

#include <boost/json/value.hpp>

#include "base/core/error.h"
#include "base/core/text.h"
#include "cli/options/mounts.h"

namespace berth::cli {

namespace json = boost::json;

namespace {

struct Attachment {
  std::string target, ip, ip6, mac;
  std::vector<std::string> aliases, links, link_local;
  json::object driver_options;
  std::int64_t gateway_priority = 0;
};

Attachment parse_long_form(const std::string& spec) {
  Attachment out;
  for (const std::string& field : split_csv(spec)) {
    const std::size_t equals = field.find('=');
    if (equals == std::string::npos) throw invalid(cat("invalid field ", field));
    const std::string key = to_lower(trim(field.substr(0, equals)));
    const std::string value{trim(std::string_view{field}.substr(equals + 1))};
    if (key == "name")
      out.target = value;
    else if (key == "alias")
      out.aliases.push_back(value);
    else if (key == "ip")
      out.ip = value;
    else if (key == "ip6")
      out.ip6 = value;
    else if (key == "mac-address")
      out.mac = value;
    else if (key == "link-local-ip")
      out.link_local.push_back(value);
    else if (key == "gw-priority") {
      const auto number = parse_number<std::int64_t>(value);
      if (!number) throw invalid(cat("invalid gw-priority: strconv.Atoi: parsing ", quoted(value), ": invalid syntax"));
      out.gateway_priority = *number;
    } else if (key == "driver-opt") {
      const std::size_t sign = value.find('=');
      if (sign == std::string::npos) throw invalid("invalid key value pair format in driver options");
      out.driver_options[value.substr(0, sign)] = value.substr(sign + 1);
    } else {
      throw invalid(cat("invalid field key ", key));
    }
  }
  if (out.target.empty()) throw invalid("network name/id is not specified");
  return out;
}

Attachment parse_network(const std::string& spec) {
  if (spec.find('=') != std::string::npos) return parse_long_form(spec);
  Attachment out;
  out.target = spec;
  return out;
}

json::array array_of(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

json::object endpoint_of(const Attachment& at) {
  json::object endpoint, ipam;
  if (!at.aliases.empty()) endpoint["Aliases"] = array_of(at.aliases);
  if (!at.links.empty()) endpoint["Links"] = array_of(at.links);
  if (!at.mac.empty()) endpoint["MacAddress"] = at.mac;
  if (!at.driver_options.empty()) endpoint["DriverOpts"] = at.driver_options;
  if (at.gateway_priority != 0) endpoint["GwPriority"] = at.gateway_priority;
  if (!at.ip.empty()) ipam["IPv4Address"] = at.ip;
  if (!at.ip6.empty()) ipam["IPv6Address"] = at.ip6;
  if (!at.link_local.empty()) ipam["LinkLocalIPs"] = array_of(at.link_local);
  if (!ipam.empty()) endpoint["IPAMConfig"] = std::move(ipam);
  return endpoint;
}

/// The single flags (--ip, --network-alias, …) belong to the first network.
void apply_flags(Attachment& first, const NetworkFlags& flags) {
  const auto once = [](std::string& member, const std::string& value, std::string_view flag) {
    if (value.empty()) return;
    if (!member.empty()) {
      throw invalid(cat("conflicting options: cannot specify both --", flag, " and per-network ",
                        flag == "mac-address" ? "MAC address"
                        : flag == "ip"        ? "IPv4 address"
                                              : "IPv6 address"));
    }
    member = value;
  };
  once(first.ip, flags.ip, "ip");
  once(first.ip6, flags.ip6, "ip6");
  once(first.mac, flags.mac, "mac-address");
  if (!flags.aliases.empty() && !first.aliases.empty()) {
    throw invalid("conflicting options: cannot specify both --network-alias and per-network alias");
  }
  first.aliases.insert(first.aliases.end(), flags.aliases.begin(), flags.aliases.end());
  first.link_local.insert(first.link_local.end(), flags.link_local.begin(), flags.link_local.end());
}

}  // namespace

bool is_user_defined(const std::string& mode) {
  return mode != "default" && mode != "bridge" && mode != "host" && mode != "none" && !mode.starts_with("container:");
}

NetworkRequest make_network_request(const NetworkFlags& flags) {
  NetworkRequest out{.links = flags.links};
  std::vector<Attachment> attachments;
  for (const std::string& spec : flags.networks) attachments.push_back(parse_network(spec));
  if (attachments.empty()) {
    Attachment fallback;
    fallback.target = "default";
    attachments.push_back(std::move(fallback));
  }
  apply_flags(attachments.front(), flags);
  out.mode = attachments.front().target;
  if (is_user_defined(out.mode)) attachments.front().links = std::exchange(out.links, {});
  for (const Attachment& at : attachments) {
    if (out.endpoints.contains(at.target))
      throw invalid(cat("network ", quoted(at.target), " is specified multiple times"));
    if (attachments.size() > 1 && !is_user_defined(at.target) && at.target != "bridge" && at.target != "default") {
      throw invalid("conflicting options: cannot attach both user-defined and non-user-defined network-modes");
    }
    json::object endpoint = endpoint_of(at);
    if (endpoint.empty() && !is_user_defined(at.target) && attachments.size() == 1) continue;
    out.endpoints[at.target] = std::move(endpoint);
  }
  return out;
}

}  // namespace berth::cli
