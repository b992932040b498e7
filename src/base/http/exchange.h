#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/http/connection.h"
#include "base/http/handler.h"
#include "base/http/lent.h"

namespace berth::http {

/// One request of a connection and its answer.
class Exchange final : public BodyReader, public ResponseStream {
 public:
  Exchange(Connection& connection, const Head& head);

  std::optional<std::uint64_t> length() const override { return body_.length; }
  Task<std::optional<std::string>> next() override { return next_before(std::nullopt); }
  Task<std::size_t> read_some(char* buffer, std::size_t size) override;
  Task<std::string> read_all(std::size_t limit_bytes) override;
  void stop() override { connection_.transport().shutdown_receive(); }
  Task<std::shared_ptr<StoppableSource>> lend_body() override;
  void take_back_body() override;

  Task<void> send(Response response) override;
  Task<void> begin(int status, std::string content_type, std::vector<Header> headers) override;
  Task<void> begin_sized(Response head, std::uint64_t size) override;
  Task<void> write(std::string_view bytes) override;
  Task<void> send_file(Response head, sys::FdRef file, std::uint64_t offset, std::uint64_t size) override;
  bool begun() const override { return state_ != State::fresh || (lent_answer_ && lent_answer_->begun()); }
  std::shared_ptr<StoppableSink> lend_stream(std::string content_type, std::vector<Header> headers) override;
  void take_back_stream() override;
  Task<void> while_connected(Task<void> work) override;
  Task<Hijacked> hijack(std::string content_type) override;
  Task<Hijacked> accept_websocket(WebSocketOffer offer) override;

  enum class End { keep_alive, close, gone };
  /// After the handler: ends the stream, gets the rest of the body out of the way.
  Task<End> finish();

 private:
  enum class State { fresh, complete, streaming, hijacked };

  Task<std::optional<std::string>> next_before(Connection::Deadline deadline);
  Task<void> send_continue();
  Task<void> drain(std::size_t limit_bytes);
  Task<void> drain(std::size_t limit_bytes, std::chrono::nanoseconds patience);
  Task<void> hear_out();
  Task<void> watch();
  Task<Hijacked> take_over(std::string head);
  bool body_done() const { return body_.done(); }
  bool body_is_short() const;
  std::string head_text(int status, std::string_view content_type, const std::vector<Header>& headers);
  std::string stream_head(int status, std::string_view content_type, const std::vector<Header>& headers);

  Connection& connection_;
  const bool is_head_, is_http_1_0_, upgrade_;
  BodyState body_;
  std::shared_ptr<LentBody> lent_body_;
  std::shared_ptr<LentAnswer> lent_answer_;
  bool owes_continue_, keep_alive_, chunked_ = false, bodiless_ = false;
  State state_ = State::fresh;
};

}  // namespace berth::http
