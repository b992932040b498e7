#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/http/message.h"

namespace berth::http {

enum class HeadStatus { more, done, malformed, too_large };

/// A request's line and header fields, and what they say about the connection.
struct Head {
  Request request;
  int minor_version = 1;                        ///< HTTP/1.x
  std::optional<std::uint64_t> content_length;  ///< nullopt with chunked encoding
  bool keep_alive = true, expects_continue = false, upgrade = false;
  int refused_status = 0;  ///< well-formed, but not for us: answer this (400, 417, 501, 505)
};

/// Feeds bytes to Beast's request parser, of which only the head is used.
class HeadParser {
 public:
  explicit HeadParser(std::uint32_t limit_bytes);
  ~HeadParser();

  struct Step {
    HeadStatus status;
    std::size_t consumed;  ///< bytes of the input that need not be shown again
  };
  Step feed(std::string_view bytes);
  Head take();  ///< after `done`

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::http
