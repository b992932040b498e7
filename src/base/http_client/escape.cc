#include "base/http_client/escape.h"

#include <algorithm>

#include "base/core/text.h"

namespace berth::http_client {

std::string escape_url(std::string_view text, std::string_view also_plain) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
  std::string out;
  for (const char c : text) {
    if (kPlain.find(c) != std::string_view::npos || also_plain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%';
      for (const char digit : to_hex(std::string_view{&c, 1})) {
        out += digit >= 'a' ? static_cast<char>(digit - 32) : digit;
      }
    }
  }
  return out;
}

}  // namespace berth::http_client
