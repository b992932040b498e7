#pragma once

#include <string>

namespace berth::registry {

/// An IPv4 or IPv6 address in network byte order, 4 or 16 bytes; "" for what is none.
std::string address_bytes(const std::string& text);
/// Whether such bytes lie in "10.0.0.0/8"; false for what is no network of their family.
bool lies_in(const std::string& address, const std::string& cidr);

}  // namespace berth::registry
