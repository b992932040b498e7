#pragma once

#include <map>
#include <string>
#include <string_view>

namespace berth::registry::server {

/// Hashes by user, of a file as htpasswd -B writes it; the last line of a user counts. Throws invalid, with the file's
/// `name`, for anything but bcrypt.
std::map<std::string, std::string> parse_htpasswd(std::string_view text, std::string_view name);

}  // namespace berth::registry::server
