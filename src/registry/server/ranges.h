#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace berth::registry::server {

struct ByteRange {
  std::uint64_t first = 0, size = 0;
};

/// "bytes=a-b", "bytes=a-" and "bytes=-n" of `total` bytes; nullopt for what is to be ignored (several ranges, other
/// units). Throws Refusal 416. Spec: RFC 9110 14.2.
std::optional<ByteRange> parse_range(std::string_view text, std::uint64_t total);

/// Where a chunk begins, by its Content-Range: "0-9", or "bytes 0-9/10" as HTTP has it; nullopt for anything else.
/// Spec: distribution-spec v1.1, "Pushing a blob in chunks".
std::optional<std::uint64_t> chunk_start(std::string_view content_range);

/// Whether If-None-Match names the tag of what would be sent: a list of them, weak or not, or "*". Spec: RFC
/// 9110 13.1.2.
bool names_etag(std::string_view header, std::string_view etag);

}  // namespace berth::registry::server
