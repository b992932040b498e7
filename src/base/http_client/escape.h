#pragma once

#include <string>
#include <string_view>

#include "base/core/base64.h"

namespace berth::http_client {

/// Percent-encoded but for RFC 3986's unreserved characters and those in `also_plain`.
std::string escape_url(std::string_view text, std::string_view also_plain = "");
/// The bytes that percent-encoded text stands for; a "%" that encodes nothing stays.
std::string unescape_url(std::string_view text);

using berth::base64;

}  // namespace berth::http_client
