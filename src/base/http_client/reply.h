#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/stream.h"
#include "base/http_client/connection.h"

namespace berth::http_client {

/// An answer whose body is read as it comes. Where the line is cut, within the head or the body, everything here throws
/// unavailable with Go's words, "EOF" or "unexpected EOF".
class Reply : public ByteSource {
 public:
  Reply() = default;
  explicit Reply(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}

  /// Waits for the answer itself (not 100 Continue). `head_only`: it has no body whatever its head says.
  void receive_head(bool head_only);
  int status = 0;
  std::string reason;
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case

  std::string_view header(std::string_view lower_name) const;  ///< "" when absent
  std::size_t read(char* buffer, std::size_t size) override;   ///< body bytes; 0 at its end
  /// The rest of the body; throws system when there is more than `limit` bytes.
  std::string read_all(std::size_t limit = static_cast<std::size_t>(-1));
  /// The next line of the body without its end; nullopt at the end. For streams of JSON objects.
  std::optional<std::string> read_line();
  /// An upgraded connection; `early` gets what the server sent right behind the head.
  Connection& stream(std::string& early);
  /// What poll should watch, and whether bytes wait already.
  const Connection& connection() const { return *connection_; }
  Connection& connection() { return *connection_; }
  /// The connection if another request can follow on it, else null.
  std::unique_ptr<Connection> release_idle();
  /// The connection, for what is spoken behind the head instead of a body: the answer to CONNECT. Nothing must be
  /// buffered.
  std::unique_ptr<Connection> release() { return std::move(connection_); }
  bool has_buffered() const { return !buffer_.empty() || connection_->has_buffered(); }

 private:
  enum class Framing { none, length, chunked, until_close };

  std::string take_line();
  void read_head();
  void choose_framing(bool head_only);
  std::size_t read_raw(char* buffer, std::size_t size);
  bool next_chunk();

  std::unique_ptr<Connection> connection_;
  std::string buffer_;  // received, not yet consumed
  std::string line_;    // read_line's beginning of a line
  Framing framing_ = Framing::none;
  std::size_t left_ = 0;  // of the body or of the current chunk
  bool first_chunk_ = true, finished_ = false, keep_alive_ = true;
};

}  // namespace berth::http_client
