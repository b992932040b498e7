#include "registry/client/headers.h"

#include "base/core/text.h"

namespace berth::registry {

std::optional<ContentRange> parse_content_range(std::string_view header) {
  constexpr std::string_view kUnit = "bytes ";
  if (!header.starts_with(kUnit)) return std::nullopt;
  header.remove_prefix(kUnit.size());
  const std::size_t dash = header.find('-'), slash = header.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) return std::nullopt;
  const auto first = parse_number<std::uint64_t>(header.substr(0, dash));
  const auto last = parse_number<std::uint64_t>(header.substr(dash + 1, slash - dash - 1));
  if (!first || !last || *last < *first) return std::nullopt;
  ContentRange range{.first = *first, .last = *last, .total = {}};
  const std::string_view total = header.substr(slash + 1);
  if (total == "*") return range;
  range.total = parse_number<std::uint64_t>(total);
  if (!range.total || *range.total <= range.last) return std::nullopt;
  return range;
}

std::optional<std::uint64_t> parse_upload_range(std::string_view header) {
  const std::size_t dash = header.find('-');
  const auto last = parse_number<std::uint64_t>(header.substr(dash == std::string_view::npos ? 0 : dash + 1));
  if (!last || *last == 0 || *last + 1 == 0) return std::nullopt;
  return *last + 1;
}

std::optional<Url> next_page(std::string_view link, const Url& page) {
  const std::size_t end = link.find('>');
  if (!link.starts_with('<') || end == std::string_view::npos) return std::nullopt;
  const std::string_view next = link.substr(1, end - 1);
  Url url = parse_url(next.starts_with('/') ? cat(page.scheme, "://", page.authority, next) : std::string{next});
  if (!url.same_origin(page)) return std::nullopt;
  return url;
}

}  // namespace berth::registry
