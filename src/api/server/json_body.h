#pragma once

#include <string>
#include <string_view>

#include "api/server/request.h"
#include "base/json/json.h"

namespace berth::api {

enum class EmptyBody { allowed, refused };

/// The request's body if it is one JSON value, checked as Docker does: content type, syntax, nothing behind it.
/// "" for an allowed empty one. Throws invalid with Docker's texts.
Task<std::string> read_json_text(const Request& request, EmptyBody empty);

/// Throws invalid: Go's text for broken JSON behind "invalid JSON: ".
boost::json::value parse_body(std::string_view text);

template <class T>
T decode_body(std::string_view text) {
  if (text.empty()) return T{};
  const boost::json::value value = parse_body(text);
  try {
    return json::from_value<T>(value);
  } catch (Error& error) {
    error.during("invalid JSON");
    throw;
  }
}

template <class T>
Task<T> read_json(const Request& request, EmptyBody empty = EmptyBody::allowed) {
  const std::string text = co_await read_json_text(request, empty);
  co_return decode_body<T>(text);
}

}  // namespace berth::api
