#include "base/core/error.h"
#include "base/core/text.h"
#include "engine/networks_service.h"
#include "network/pool_request.h"

namespace berth::engine {

namespace {

Error forbidden(std::string text) { return {ErrorKind::forbidden, std::move(text)}; }

void check_name(const std::string& name) {
  if (trim(name).empty()) throw invalid("invalid name: name is empty");
  for (const std::string_view predefined : {"bridge", "host", "none", "default"}) {
    if (name == predefined) throw forbidden(cat("operation is not permitted on predefined ", name, " network"));
  }
}

void check_driver(const std::string& driver) {
  if (driver == "bridge") return;
  if (driver == "host" || driver == "null")
    throw forbidden(cat("only one instance of ", quoted(driver), " network is allowed"));
  for (const std::string_view later : {"overlay", "macvlan", "ipvlan"}) {
    if (driver == later) throw not_implemented(cat("the network driver ", driver));
  }
  throw not_found(cat("plugin ", quoted(driver), " not found"));
}

void check_kind(const NetworkCreateRequest& request) {
  if (request.ingress) throw not_implemented("ingress networks");
  if (request.config_only) throw not_implemented("configuration-only networks");
  if (!request.scope.empty() && request.scope != "local")
    throw not_implemented(cat("networks of scope ", request.scope));
  if (request.enable_ipv6.value_or(false)) throw not_implemented("IPv6 networks");
  if (!request.enable_ipv4.value_or(true)) throw invalid("IPv4 or IPv6 must be enabled");
}

void take_pool(const Ipam& ipam, network::NetworkRecord& record) {
  if (!ipam.driver.empty() && ipam.driver != "default")
    throw not_found(cat("ipam driver ", quoted(ipam.driver), " not found"));
  std::vector<network::PoolRequest> pools;
  for (const IpamPool& pool : ipam.config) {
    pools.push_back({.subnet = pool.subnet,
                     .ip_range = pool.ip_range,
                     .gateway = pool.gateway,
                     .aux_addresses = pool.auxiliary_addresses});
  }
  network::validate_pools(pools);
  std::erase_if(pools, network::is_ipv6_pool);
  if (pools.size() > 1) throw forbidden("bridge driver doesn't support multiple subnets");
  record.ipam_options = ipam.options;
  if (pools.empty()) return;
  record.subnet = pools[0].subnet;
  record.ip_range = pools[0].ip_range;
  record.gateway = pools[0].gateway;
  record.aux_addresses = pools[0].aux_addresses;
}

}  // namespace

network::NetworkRecord make_network_record(const NetworkCreateRequest& request) {
  check_name(request.name);
  network::NetworkRecord record;
  record.name = request.name;
  record.driver = request.driver.empty() || request.driver == "default" ? "bridge" : request.driver;
  check_driver(record.driver);
  check_kind(request);
  if (request.ipam) take_pool(*request.ipam, record);
  record.internal = request.internal;
  record.attachable = request.attachable;
  record.options = request.options;
  record.labels = request.labels;
  return record;
}

}  // namespace berth::engine
