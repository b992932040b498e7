#pragma once

#include <string>

#include "base/http/message.h"
#include "base/json/json.h"

namespace berth::api {

/// JSON with a newline behind it, as Go's encoder writes it.
template <class T>
http::Response json_response(const T& value, int status = 200) {
  std::string text = json::to_json(value);
  text += '\n';
  return http::Response::json(status, std::move(text));
}

inline constexpr std::string_view kRawStream = "application/vnd.docker.raw-stream";
inline constexpr std::string_view kMultiplexedStream = "application/vnd.docker.multiplexed-stream";

}  // namespace berth::api
