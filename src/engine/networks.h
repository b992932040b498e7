#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/async/task.h"
#include "base/json/json.h"
#include "engine/filters.h"

namespace berth::engine {

struct IpamPool {
  std::string subnet, ip_range, gateway;
  std::map<std::string, std::string> auxiliary_addresses;
  static void describe(auto& self, auto&& field) {
    field("Subnet", self.subnet, json::omit_empty);
    field("IPRange", self.ip_range, json::omit_empty);
    field("Gateway", self.gateway, json::omit_empty);
    field("AuxiliaryAddresses", self.auxiliary_addresses, json::omit_empty);
  }
};

struct Ipam {
  std::string driver = "default";
  std::map<std::string, std::string> options;
  std::vector<IpamPool> config;
  static void describe(auto& self, auto&& field) {
    field("Driver", self.driver);
    field("Options", self.options, json::null_if_empty);
    field("Config", self.config);
  }
};

struct NetworkContainer {
  std::string name, endpoint_id, mac_address, ipv4_address, ipv6_address;
  static void describe(auto& self, auto&& field) {
    field("Name", self.name);
    field("EndpointID", self.endpoint_id);
    field("MacAddress", self.mac_address);
    field("IPv4Address", self.ipv4_address);
    field("IPv6Address", self.ipv6_address);
  }
};

struct ConfigReference {
  std::string network;
  static void describe(auto& self, auto&& field) { field("Network", self.network); }
};

/// Spec: docker-engine-api-v1.51.yaml, Network.
struct NetworkView {
  std::string name, id, created, scope = "local", driver;
  bool enable_ipv4 = true, enable_ipv6 = false;
  Ipam ipam;
  bool internal = false, attachable = false, ingress = false;
  ConfigReference config_from;
  bool config_only = false;
  std::map<std::string, NetworkContainer> containers;
  std::map<std::string, std::string> options, labels;
  static void describe(auto& self, auto&& field) {
    field("Name", self.name);
    field("Id", self.id);
    field("Created", self.created);
    field("Scope", self.scope);
    field("Driver", self.driver);
    field("EnableIPv4", self.enable_ipv4);
    field("EnableIPv6", self.enable_ipv6);
    field("IPAM", self.ipam);
    field("Internal", self.internal);
    field("Attachable", self.attachable);
    field("Ingress", self.ingress);
    field("ConfigFrom", self.config_from);
    field("ConfigOnly", self.config_only);
    field("Containers", self.containers);
    field("Options", self.options);
    field("Labels", self.labels);
  }
};

struct NetworkCreateRequest {
  static constexpr std::string_view kGoName = "NetworkCreateRequest";
  std::string name, driver, scope;
  bool check_duplicate = false, internal = false, attachable = false, ingress = false, config_only = false;
  std::optional<bool> enable_ipv4, enable_ipv6;
  std::optional<Ipam> ipam;
  std::map<std::string, std::string> options, labels;
  static void describe(auto& self, auto&& field) {
    field("Name", self.name);
    field("CheckDuplicate", self.check_duplicate);
    field("Driver", self.driver);
    field("Scope", self.scope);
    field("EnableIPv4", self.enable_ipv4);
    field("EnableIPv6", self.enable_ipv6);
    field("IPAM", self.ipam);
    field("Internal", self.internal);
    field("Attachable", self.attachable);
    field("Ingress", self.ingress);
    field("ConfigOnly", self.config_only);
    field("Options", self.options);
    field("Labels", self.labels);
  }
};

struct NetworkCreated {
  std::string id, warning;
  static void describe(auto& self, auto&& field) {
    field("Id", self.id);
    field("Warning", self.warning);
  }
};

class Networks {
 public:
  virtual ~Networks() = default;
  virtual Task<std::vector<NetworkView>> list(Filters filters) = 0;
  virtual Task<NetworkView> inspect(std::string name) = 0;
  virtual Task<NetworkCreated> create(NetworkCreateRequest request) = 0;
  virtual Task<void> remove(std::string name) = 0;
  virtual Task<std::vector<std::string>> prune(Filters filters) = 0;
};

}  // namespace berth::engine
