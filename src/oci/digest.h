#pragma once

#include <string>
#include <string_view>

namespace berth::oci {

/// "sha256:" and 64 lower-case hex digits, the only algorithm that Docker's stores use.
bool is_digest(std::string_view text);
/// The 64 hex digits of a digest; throws invalid "invalid checksum digest format".
std::string_view digest_hex(std::string_view digest);
/// The first 12 hex digits, as clients show IDs.
std::string short_id(std::string_view digest);

}  // namespace berth::oci
