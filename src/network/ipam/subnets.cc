#include "network/ipam/subnets.h"

#include <algorithm>

namespace berth::network {

std::optional<Cidr> choose_subnet(const std::vector<Cidr>& taken) {
  const auto is_free = [&](const Cidr& candidate) {
    return std::ranges::none_of(taken,
                                [&](const Cidr& other) { return other.prefix >= 8 && other.overlaps(candidate); });
  };
  for (std::uint32_t second = 17; second <= 31; ++second) {
    const Cidr candidate{{172u << 24 | second << 16}, 16};
    if (is_free(candidate)) return candidate;
  }
  for (std::uint32_t third = 0; third < 256; third += 16) {
    const Cidr candidate{{192u << 24 | 168u << 16 | third << 8}, 20};
    if (is_free(candidate)) return candidate;
  }
  return std::nullopt;
}

}  // namespace berth::network
