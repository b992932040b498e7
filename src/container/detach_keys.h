#pragma once

#include <string>
#include <string_view>

namespace berth::container {

/// The bytes of a detach sequence: "ctrl-p,ctrl-q" gives "\x10\x11", "a,b" gives "ab". "" gives the default
/// (ctrl-p, ctrl-q). Throws invalid "Invalid detach keys (x) provided".
std::string parse_detach_keys(std::string_view text);

}  // namespace berth::container
