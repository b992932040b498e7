#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/async/task.h"
#include "base/core/stream.h"
#include "base/sys/fd.h"

/// HTTP/1.1 without any library's types: a handler sees only what stands here and in handler.h.
namespace berth::http {

struct Header {
  std::string name, value;
};

/// The part of a target behind '?', decoded as Go's url.ParseQuery does.
class Query {
 public:
  Query() = default;
  /// Throws invalid with Go's text: `invalid URL escape "%zz"`.
  static Query parse(std::string_view text);

  bool has(std::string_view name) const { return get(name).has_value(); }
  std::optional<std::string> get(std::string_view name) const;  ///< the first value
  std::string text(std::string_view name) const { return get(name).value_or(""); }
  std::vector<std::string> all(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

/// Replaces %XX, and '+' by a space where `plus_is_space`. Throws invalid with Go's text.
std::string percent_decode(std::string_view text, bool plus_is_space);

/// The bytes behind a request's head, whatever their framing.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  /// Bytes announced by Content-Length (0 without a body); nullopt with chunked encoding.
  virtual std::optional<std::uint64_t> length() const = 0;
  /// The next piece (up to 256 KiB); nullopt at the end. Sends "100 Continue" first to a client that waits for it.
  /// Throws invalid: "unexpected EOF" when the client left, or a text for broken chunks.
  virtual Task<std::optional<std::string>> next() = 0;
  /// The same into the caller's own memory, which saves a copy of large bodies: what has come, up to `size` bytes; 0 at
  /// the end.
  virtual Task<std::size_t> read_some(char* buffer, std::size_t size) = 0;
  /// All of it. Throws invalid when it is longer than `limit_bytes` or stalls.
  virtual Task<std::string> read_all(std::size_t limit_bytes) = 0;
  /// From beside who reads: no more comes from this client, whom nobody shall wait for any longer. He gets the
  /// "unexpected EOF" of one that left.
  virtual void stop() {}
  /// The rest of the body for a thread that may block and reads the client's socket itself. Until take_back_body(), by
  /// when the thread must have ended, nothing else here may be called. nullptr where that cannot be (TLS, no body):
  /// there is next().
  virtual Task<std::shared_ptr<StoppableSource>> lend_body() { co_return nullptr; }
  virtual void take_back_body() {}
};

struct Request {
  std::string method;      ///< as sent, "GET"
  std::string path;        ///< decoded, starts with '/'
  std::string query_text;  ///< still encoded; see Query::parse
  std::vector<Header> headers;
  BodyReader* body = nullptr;  ///< good until the handler returns

  std::optional<std::string_view> header(std::string_view name) const;  ///< the first of that name, any case
};

/// An answer that is complete before it is sent: leaves in one write.
struct Response {
  int status = 200;
  std::string content_type;  ///< "" sends none
  std::string body;
  std::vector<Header> headers{};

  static Response empty(int status) { return Response{.status = status, .content_type = {}, .body = {}}; }
  static Response json(int status, std::string text) {
    return Response{.status = status, .content_type = "application/json", .body = std::move(text)};
  }
};

/// A connection on which HTTP has ended: a blocking stream socket (the client's own, or one end of a socket pair
/// where TLS must be spoken), and what the client sent already.
struct Hijacked {
  sys::UniqueFd socket;
  std::string early_data;
};

/// A client's wish for a WebSocket (RFC 6455).
struct WebSocketOffer {
  std::string key, protocol;  ///< protocol: the one that it gets; "" none
};
/// Throws invalid when the request is no WebSocket handshake of version 13.
WebSocketOffer read_websocket_offer(const std::vector<Header>& headers);

std::string_view reason_phrase(int status);

}  // namespace berth::http
