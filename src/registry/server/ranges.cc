#include "registry/server/ranges.h"

#include <algorithm>

#include "base/core/text.h"
#include "registry/server/errors.h"

namespace berth::registry::server {

std::optional<ByteRange> parse_range(std::string_view text, std::uint64_t total) {
  if (!text.starts_with("bytes=") || text.find(',') != std::string_view::npos) return std::nullopt;
  text.remove_prefix(6);
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string_view behind = text.substr(dash + 1);
  const auto last = parse_number<std::uint64_t>(behind);
  if (!last && !behind.empty()) return std::nullopt;
  const Refusal outside =
      Refusal{416, "RANGE_INVALID", "invalid content range"}.with({"Content-Range", cat("bytes */", total)});
  if (dash == 0) {
    if (!last) return std::nullopt;
    if (*last == 0 || total == 0) throw outside;
    const std::uint64_t size = std::min(*last, total);
    return ByteRange{.first = total - size, .size = size};
  }
  const auto first = parse_number<std::uint64_t>(text.substr(0, dash));
  if (!first) return std::nullopt;
  if (*first >= total || (last && *last < *first)) throw outside;
  const std::uint64_t end = last ? std::min(*last, total - 1) : total - 1;
  return ByteRange{.first = *first, .size = end - *first + 1};
}

std::optional<std::uint64_t> chunk_start(std::string_view content_range) {
  if (content_range.starts_with("bytes ")) content_range.remove_prefix(6);
  const std::size_t dash = content_range.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  // What follows is not looked at: an empty chunk has no last byte, and clients write "0--1".
  return parse_number<std::uint64_t>(content_range.substr(0, dash));
}

bool names_etag(std::string_view header, std::string_view etag) {
  if (trim(header) == "*") return true;
  for (const std::string& entry : split(header, ',')) {  // ours have no comma in them
    std::string_view tag = trim(entry);
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == etag) return true;
  }
  return false;
}

}  // namespace berth::registry::server
