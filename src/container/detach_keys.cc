#include "container/detach_keys.h"

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::container {

std::string parse_detach_keys(std::string_view text) {
  if (text.empty()) return "\x10\x11";
  std::string bytes;
  for (const std::string& key : split(text, ',')) {
    if (key.size() == 1) {
      bytes += key[0];
      continue;
    }
    const bool control = key.size() == 6 && (key.starts_with("ctrl-"));
    const char letter = control ? key[5] : '\0';
    if (letter >= 'a' && letter <= 'z') {
      bytes += static_cast<char>(letter - 'a' + 1);
    } else if (letter == '@') {
      bytes += '\0';
    } else if (letter == '[' || letter == '\\' || letter == ']' || letter == '^' || letter == '_') {
      bytes += static_cast<char>(letter - '[' + 27);
    } else {
      throw invalid(cat("Invalid detach keys (", text, ") provided"));
    }
  }
  return bytes;
}

}  // namespace berth::container
