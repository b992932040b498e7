#include "registry/server/names.h"

#include <algorithm>
#include <cstddef>

namespace berth::registry::server {

namespace {

constexpr std::size_t kMostNameBytes = 255, kMostTagBytes = 128, kHexDigits = 64, kAlgorithmBytes = 7;

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/// One separator: ".", "_", "__" or any number of "-".
bool is_separator(std::string_view text) {
  return text == "." || text == "_" || text == "__" ||
         (!text.empty() && text.find_first_not_of('-') == std::string_view::npos);
}

bool is_component(std::string_view text) {
  if (text.empty() || !is_lower_alnum(text.front()) || !is_lower_alnum(text.back())) return false;
  for (std::size_t i = 0; i < text.size();) {
    if (is_lower_alnum(text[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && !is_lower_alnum(text[end])) ++end;
    if (!is_separator(text.substr(i, end - i))) return false;
    i = end;
  }
  return true;
}

}  // namespace

bool is_repository_name(std::string_view name) {
  if (name.empty() || name.size() > kMostNameBytes) return false;
  for (;;) {
    const std::size_t slash = name.find('/');
    if (!is_component(name.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
}

bool is_tag(std::string_view tag) {
  if (tag.empty() || tag.size() > kMostTagBytes || tag.front() == '.' || tag.front() == '-') return false;
  return std::ranges::all_of(
      tag, [](char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '-'; });
}

bool is_digest(std::string_view text) {
  const std::string_view algorithm = text.substr(0, kAlgorithmBytes);
  if (algorithm != "sha256:" && algorithm != "sha512:") return false;
  text.remove_prefix(algorithm.size());
  return text.size() == (algorithm == "sha256:" ? kHexDigits : 2 * kHexDigits) &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace berth::registry::server
