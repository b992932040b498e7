#include "network/pool_request.h"

#include <arpa/inet.h>

#include "base/core/error.h"
#include "base/core/text.h"
#include "network/ipam/ipv4.h"

namespace berth::network {

namespace {

bool is_ipv6(const std::string& address) {
  in6_addr parsed;
  return ::inet_pton(AF_INET6, address.c_str(), &parsed) == 1;
}

std::string wrong_range(const std::string& text, const Cidr& subnet) {
  const std::optional<Cidr> range = Cidr::parse(text);
  if (!range) {
    return is_ipv6(text.substr(0, text.find('/'))) ? "parent subnet is an IPv4 block" : "invalid CIDR block notation";
  }
  if (range->prefix < subnet.prefix) return cat("CIDR block is bigger than its parent subnet ", subnet.text());
  if (*range != range->network()) return cat("it should be ", range->network().text());
  if (!range->overlaps(subnet)) return cat("parent subnet ", subnet.text(), " doesn't contain ip-range");
  return {};
}

std::string wrong_address(const std::string& text, const Cidr& subnet) {
  const std::optional<Ipv4> address = Ipv4::parse(text);
  if (!address) return is_ipv6(text) ? "parent subnet is an IPv4 block" : "invalid address";
  if (!subnet.contains(*address)) return cat("parent subnet ", subnet.text(), " doesn't contain this address");
  return {};
}

void check_pool(const PoolRequest& pool, std::vector<std::string>& errors) {
  if (is_ipv6_pool(pool)) return;
  const std::optional<Cidr> subnet = Cidr::parse(pool.subnet);
  if (!subnet) {
    errors.push_back(cat("invalid subnet ", pool.subnet, ": invalid CIDR block notation"));
    return;
  }
  const auto complain = [&](std::string_view what, const std::string& text, const std::string& why) {
    if (!why.empty()) errors.push_back(cat("invalid ", what, ' ', text, ": ", why));
  };
  if (*subnet != subnet->network()) complain("subnet", subnet->text(), cat("it should be ", subnet->network().text()));
  if (!pool.ip_range.empty()) complain("ip-range", pool.ip_range, wrong_range(pool.ip_range, *subnet));
  if (!pool.gateway.empty()) complain("gateway", pool.gateway, wrong_address(pool.gateway, *subnet));
  for (const auto& [name, address] : pool.aux_addresses) {
    complain("auxiliary address", name, wrong_address(address, *subnet));
  }
}

}  // namespace

bool is_ipv6_pool(const PoolRequest& pool) { return is_ipv6(pool.subnet.substr(0, pool.subnet.find('/'))); }

void validate_pools(const std::vector<PoolRequest>& pools) {
  std::vector<std::string> errors;
  for (const PoolRequest& pool : pools) {
    const bool is_blank =
        pool.subnet.empty() && pool.ip_range.empty() && pool.gateway.empty() && pool.aux_addresses.empty();
    if (!is_blank) check_pool(pool, errors);
  }
  if (!errors.empty()) throw invalid(cat("invalid network config:\n", join(errors, "\n")));
}

}  // namespace berth::network
