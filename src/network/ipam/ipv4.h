#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace berth::network {

/// An IPv4 address as a number in host byte order.
struct Ipv4 {
  std::uint32_t value = 0;
  auto operator<=>(const Ipv4&) const = default;

  static std::optional<Ipv4> parse(std::string_view text);  ///< dotted quad without leading zeros, nothing else
  std::string text() const;
  std::string wire() const;  ///< four bytes in network order
};

/// A block of addresses, or an interface's address with its prefix length.
struct Cidr {
  Ipv4 address;
  int prefix = 32;
  bool operator==(const Cidr&) const = default;

  static std::optional<Cidr> parse(std::string_view text);
  std::string text() const;
  std::uint32_t mask() const { return prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix); }
  Ipv4 first() const { return {address.value & mask()}; }  ///< the network's own address
  Ipv4 last() const { return {first().value | ~mask()}; }  ///< broadcast
  Cidr network() const { return {first(), prefix}; }
  bool contains(Ipv4 other) const { return (other.value & mask()) == first().value; }
  bool overlaps(const Cidr& other) const { return contains(other.first()) || other.contains(first()); }
};

}  // namespace berth::network
