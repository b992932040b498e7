#include "oci/digest.h"

#include <algorithm>

#include "base/core/error.h"

namespace berth::oci {

namespace {
constexpr std::string_view kPrefix = "sha256:";
}

bool is_digest(std::string_view text) {
  if (!text.starts_with(kPrefix) || text.size() != kPrefix.size() + 64) return false;
  return std::all_of(text.begin() + kPrefix.size(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string_view digest_hex(std::string_view digest) {
  if (!is_digest(digest)) throw invalid("invalid checksum digest format");
  return digest.substr(kPrefix.size());
}

std::string short_id(std::string_view digest) {
  return std::string{digest.substr(digest.starts_with(kPrefix) ? kPrefix.size() : 0, 12)};
}

}  // namespace berth::oci
