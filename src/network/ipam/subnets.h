#pragma once

#include <optional>
#include <vector>

#include "network/ipam/ipv4.h"

namespace berth::network {

/// The first of Docker's default pools (172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/20 to 192.168.240.0/20) that
/// meets none of `taken`; nullopt when all are taken. Routes wider than /8 do not count as taken: a VPN's 0.0.0.0/1
/// covers everything and still leaves more specific routes alone.
std::optional<Cidr> choose_subnet(const std::vector<Cidr>& taken);

}  // namespace berth::network
