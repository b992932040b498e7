#include "network/ipam/ipv4.h"

#include "base/core/text.h"

namespace berth::network {

std::optional<Ipv4> Ipv4::parse(std::string_view text) {
  std::uint32_t value = 0;
  const std::vector<std::string> pieces = split(text, '.');
  if (pieces.size() != 4) return std::nullopt;
  for (const std::string& piece : pieces) {
    const std::optional<std::uint8_t> byte = parse_number<std::uint8_t>(piece);
    if (!byte || (piece.size() > 1 && piece[0] == '0')) return std::nullopt;
    value = value << 8 | *byte;
  }
  return Ipv4{value};
}

std::string Ipv4::text() const {
  return cat(value >> 24, '.', value >> 16 & 255, '.', value >> 8 & 255, '.', value & 255);
}

std::string Ipv4::wire() const {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::optional<Ipv4> address = Ipv4::parse(text.substr(0, slash));
  const std::optional<std::uint8_t> prefix = parse_number<std::uint8_t>(text.substr(slash + 1));
  if (!address || !prefix || *prefix > 32) return std::nullopt;
  return Cidr{*address, *prefix};
}

std::string Cidr::text() const { return cat(address.text(), '/', prefix); }

}  // namespace berth::network
