#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/http/chunked.h"
#include "base/http/connection.h"
#include "base/http/handler.h"

namespace berth::http {

/// One request of a connection and its answer.
class Exchange final : public BodyReader, public ResponseStream {
 public:
  Exchange(Connection& connection, const Head& head);

  std::optional<std::uint64_t> length() const override { return length_; }
  Task<std::optional<std::string>> next() override { return next_before(std::nullopt); }
  Task<std::string> read_all(std::size_t limit_bytes) override;

  Task<void> send(Response response) override;
  Task<void> begin(int status, std::string content_type, std::vector<Header> headers) override;
  Task<void> begin_sized(Response head, std::uint64_t size) override;
  Task<void> write(std::string_view bytes) override;
  Task<void> send_file(Response head, sys::FdRef file, std::uint64_t offset, std::uint64_t size) override;
  bool begun() const override { return state_ != State::fresh; }
  Task<void> while_connected(Task<void> work) override;
  Task<Hijacked> hijack(std::string content_type) override;
  Task<Hijacked> accept_websocket(WebSocketOffer offer) override;

  enum class End { keep_alive, close, gone };
  /// After the handler: ends the stream, gets the rest of the body out of the way.
  Task<End> finish();

 private:
  enum class State { fresh, complete, streaming, hijacked };

  Task<std::optional<std::string>> next_before(Connection::Deadline deadline);
  Task<void> drain(std::size_t limit_bytes);
  Task<void> watch();
  Task<Hijacked> take_over(std::string head);
  bool body_done() const { return length_ ? remaining_ == 0 : decoder_.done(); }
  bool body_is_short() const;
  std::string head_text(int status, std::string_view content_type, const std::vector<Header>& headers);

  Connection& connection_;
  const bool is_head_, is_http_1_0_, upgrade_;
  const std::optional<std::uint64_t> length_;
  std::uint64_t remaining_;
  ChunkedDecoder decoder_;
  bool owes_continue_, keep_alive_, chunked_ = false, bodiless_ = false;
  State state_ = State::fresh;
};

}  // namespace berth::http
