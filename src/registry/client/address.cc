#include "registry/client/address.h"

#include <arpa/inet.h>

#include <array>

#include "base/core/text.h"

namespace berth::registry {

std::string address_bytes(const std::string& text) {
  std::array<char, 16> buffer{};
  if (::inet_pton(AF_INET, text.c_str(), buffer.data()) == 1) return {buffer.data(), 4};
  if (::inet_pton(AF_INET6, text.c_str(), buffer.data()) == 1) return {buffer.data(), 16};
  return "";
}

bool lies_in(const std::string& address, const std::string& cidr) {
  const std::size_t slash = cidr.find('/');
  if (slash == std::string::npos || address.empty()) return false;
  const std::string network = address_bytes(cidr.substr(0, slash));
  const auto length = parse_number<unsigned>(std::string_view{cidr}.substr(slash + 1));
  if (network.size() != address.size() || !length || *length > network.size() * 8) return false;
  for (unsigned bit = 0; bit < *length; ++bit) {
    const int mask = 0x80 >> (bit % 8);
    if ((address[bit / 8] & mask) != (network[bit / 8] & mask)) return false;
  }
  return true;
}

}  // namespace berth::registry
