#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/time.h"
#include "base/http/message.h"

namespace berth::api {

/// A version of the Docker API: 1.51.
struct Version {
  int major = 1, minor = 51;
  auto operator<=>(const Version&) const = default;
};

inline constexpr Version kNewestVersion{1, 51};
inline constexpr Version kOldestVersion{1, 24};

/// A request as routes see it: routed, its query decoded.
struct Request {
  std::string method, path;  ///< path without the version prefix
  Version version;
  http::Query query;
  std::vector<std::pair<std::string, std::string>> params;  ///< of the path
  std::vector<http::Header> headers;
  http::BodyReader* body = nullptr;  ///< good until the handler returns

  const std::string& param(std::string_view name) const;
  std::string text(std::string_view name) const { return query.text(name); }
  /// Docker's boolean: "", 0, no, false and none are false, anything else is true.
  bool flag(std::string_view name, bool otherwise = false) const;
  /// nullopt when absent or empty; throws invalid with Go's strconv text for what is no number.
  std::optional<int> integer(std::string_view name) const;
  /// The same where dockerd has no default: absent is as wrong as no number.
  int required_integer(std::string_view name) const;
  /// "1136073600.5" or RFC 3339; nullopt when absent, empty or "0".
  std::optional<Time> time(std::string_view name) const;
  std::optional<std::string_view> header(std::string_view name) const;
};

}  // namespace berth::api
