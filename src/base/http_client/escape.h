#pragma once

#include <string>
#include <string_view>

namespace berth::http_client {

/// Percent-encoded but for RFC 3986's unreserved characters and those in `also_plain`.
std::string escape_url(std::string_view text, std::string_view also_plain = "");

std::string base64(std::string_view bytes);  ///< RFC 4648 4, padded

}  // namespace berth::http_client
