#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace berth {

/// Standard alphabet, with padding.
std::string base64(std::string_view bytes);
/// nullopt for anything else than what base64() writes.
std::optional<std::string> decode_base64(std::string_view text);
/// The same for what other programs write: either alphabet (RFC 4648 4 and 5), padded or not.
std::optional<std::string> decode_any_base64(std::string_view text);

}  // namespace berth
