#pragma once

#include <cstddef>

namespace berth::runtime::shim {

/// No input byte becomes more than this.
inline constexpr std::size_t kMaxEscape = 6;
/// How far `escape_line` may write behind what it says it wrote.
inline constexpr std::size_t kEscapeSlack = 16;

struct Escaped {
  const char* in;  ///< first byte not taken: a newline, or the end
  char* out;       ///< behind the last byte written
};

/// Copies bytes up to the first newline or `end` as the inside of a JSON string, exactly as Docker's json-file driver
/// escapes: \" \\ \r, <, >, &, other control characters and U+2028/9 as \u00XX; every byte that is no UTF-8 becomes
/// U+FFFD (EF BF BD). `out` needs room for kMaxEscape * (end - in) + kEscapeSlack bytes.
Escaped escape_line(const char* in, const char* end, char* out);

}  // namespace berth::runtime::shim
