#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "network/firewall/firewall.h"
#include "network/firewall/nft.h"

/// The fixed part of the table, and how its elements are spelled.
namespace berth::network::layout {

/// A chain without rules whose name tells the layout; another layout's table is made anew.
inline constexpr std::string_view kMarkerChain = "layout-1";

inline constexpr std::string_view kBridges = "bridges", kIcc = "icc", kInternal = "internal", kSubnets = "subnets",
                                  kMasquerade = "masquerade", kPortsAny = "ports", kPortsExact = "ports_by_address";
inline constexpr std::array kBridgeSets{kBridges, kIcc, kInternal, kSubnets, kMasquerade};

/// Table, sets, chains and rules.
void add(nft::Transaction& transaction);

std::string link_key(std::string_view link);  ///< a link's name as the kernel compares it: 16 bytes
std::vector<nft::Transaction::Element> interval(const Cidr& subnet);
nft::Transaction::Element port_element(const PublishedPort& port);

}  // namespace berth::network::layout
