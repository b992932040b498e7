#pragma once

#include <string>
#include <string_view>

namespace berth::container {

/// A signal by name with or without SIG in any case ("TERM", "sigterm", "RTMIN+3") or by number ("15"). Throws invalid
/// "invalid signal: x". A number is taken as it is, except 0; see is_signal.
int parse_signal(std::string_view text);
/// Whether this system has a signal of that number (1 to 31, 34 to 64; 32 and 33 are the C library's own).
bool is_signal(int number);
/// "TERM" for 15, "RTMIN+3" for 37; the number in decimal when it has no name.
std::string signal_name(int number);

}  // namespace berth::container
