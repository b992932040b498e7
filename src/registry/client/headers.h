#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "registry/client/url.h"

/// What registries say in headers of their answers, before it is believed.
namespace berth::registry {

struct ContentRange {
  std::uint64_t first = 0, last = 0;   ///< last >= first
  std::optional<std::uint64_t> total;  ///< of the whole; absent for "*"
};
/// Of a 206: "bytes 0-9/10". nullopt for anything else. Spec: RFC 9110, 14.4.
std::optional<ContentRange> parse_content_range(std::string_view header);

/// How much of an upload has come, of "0-9" (also with "bytes="); nullopt for what makes no sense. Spec:
/// distribution-spec end-13; "0-0" may mean one byte or none, so that is none.
std::optional<std::uint64_t> parse_upload_range(std::string_view header);

/// Where a list goes on; nullopt at its end, and where it would go on at another server. Throws invalid for no URL.
/// Spec: RFC 8288, "<…>; rel="next"".
std::optional<Url> next_page(std::string_view link, const Url& page);

}  // namespace berth::registry
