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

std::string unescape_url(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string digits = text[i] == '%' ? to_lower(text.substr(i + 1, 2)) : "";
    const bool encoded = digits.size() == 2 && is_hex(digits);
    plain += encoded ? static_cast<char>(std::stoi(digits, nullptr, 16)) : text[i];
    if (encoded) i += 2;
  }
  return plain;
}

}  // namespace berth::http_client
