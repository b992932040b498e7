#include "base/http/exchange.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <iterator>

#include "base/async/outcome.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/http/websocket.h"
#include "base/sys/socket.h"

namespace berth::http {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kPieceBytes = 64 << 10;
constexpr std::size_t kDrainBytes = 256 << 10;     ///< of an unread body, to save the connection
constexpr std::size_t kPipelinedBytes = 64 << 10;  ///< read ahead while watching for the client's end
constexpr std::chrono::seconds kHearOut{1};        ///< for a body that the answer doesn't depend on
constexpr std::size_t kCopyBytes = 8 << 10;        ///< shorter bodies are copied behind their head

Task<void> wait_for_ever() {
  asio::steady_timer timer{co_await asio::this_coro::executor, asio::steady_timer::time_point::max()};
  co_await timer.async_wait(asio::use_awaitable);
}

/// Without control characters, whoever it came from: none may begin a line of its own.
void append_value(std::string& out, std::string_view value) {
  std::ranges::copy_if(value, std::back_inserter(out),
                       [](char c) { return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != '\x7f'); });
}

bool has_no_body(int status) { return status == 204 || status == 304 || status < 200; }

}  // namespace

Task<void> until_read(sys::FdRef socket) {
  using namespace std::chrono_literals;
  constexpr std::chrono::nanoseconds kPatience = 2s, kLongestPause = 10ms;
  int family = 0;
  socklen_t size = sizeof family;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_DOMAIN, &family, &size) != 0 || family != AF_UNIX) co_return;
  std::chrono::nanoseconds waited = 0ns;
  for (std::chrono::nanoseconds pause = 50us; waited < kPatience; pause = std::min(2 * pause, kLongestPause)) {
    int unread = 0;
    if (::ioctl(socket.get(), SIOCOUTQ, &unread) != 0 || unread == 0) co_return;
    co_await async::sleep_for(pause);
    waited += pause;
  }
}

Exchange::Exchange(Connection& connection, const Head& head)
    : connection_(connection),
      is_head_(head.request.method == "HEAD"),
      is_http_1_0_(head.minor_version == 0),
      upgrade_(head.upgrade),
      body_{.length = head.content_length, .remaining = head.content_length.value_or(0)},
      owes_continue_(head.expects_continue && head.content_length != 0),
      keep_alive_(head.keep_alive) {}

Task<std::optional<std::string>> Exchange::next_before(Connection::Deadline deadline) {
  if (body_done()) co_return std::nullopt;
  co_await send_continue();
  InputBuffer& input = connection_.input();
  std::string piece;
  while (piece.empty() && !body_done()) {
    if (input.empty()) {
      const std::optional<std::size_t> count = co_await connection_.fill(deadline, kPieceBytes);
      if (!count) throw invalid("timed out while reading the request body");
      if (*count == 0) throw invalid("unexpected EOF");
    }
    if (body_.length) {
      piece = input.data().substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(body_.remaining, input.size())));
      input.consume(piece.size());
      body_.remaining -= piece.size();
    } else {
      input.consume(body_.decoder.feed(input.data(), piece));
    }
  }
  if (piece.empty()) co_return std::nullopt;
  co_return piece;
}

Task<std::size_t> Exchange::read_some(char* buffer, std::size_t size) {
  if (!body_done()) co_await send_continue();
  InputBuffer& input = connection_.input();
  while (!body_done()) {
    const auto wanted = static_cast<std::size_t>(body_.length ? std::min<std::uint64_t>(size, body_.remaining) : size);
    const bool is_ahead = !input.empty();
    if (!is_ahead) input.release_if_empty();
    const std::size_t count =
        is_ahead ? input.data().copy(buffer, wanted) : co_await connection_.transport().read_some(buffer, wanted);
    if (count == 0) throw invalid("unexpected EOF");
    if (is_ahead) input.consume(count);
    if (body_.length) {
      body_.remaining -= count;
      co_return count;
    }
    const auto [data, behind] = body_.decoder.strip(buffer, count);
    input.put_back(behind);  // the next request
    if (data != 0) co_return data;
  }
  co_return 0;
}

Task<void> Exchange::send_continue() {
  if (!std::exchange(owes_continue_, false)) co_return;
  co_await connection_.transport().write({"HTTP/1.1 100 Continue\r\n\r\n", {}, {}});
}

Task<std::shared_ptr<StoppableSource>> Exchange::lend_body() {
  if (body_done() || !connection_.transport().can_lend()) co_return nullptr;
  co_await send_continue();
  InputBuffer& input = connection_.input();
  body_.ahead = input.data();
  input.consume(input.size());
  lent_body_ = std::make_shared<LentBody>(connection_.transport().lend(), body_);
  co_return lent_body_;
}

void Exchange::take_back_body() {
  if (!lent_body_) return;
  body_ = std::exchange(lent_body_, nullptr)->take_back();
  InputBuffer& input = connection_.input();
  body_.ahead.copy(input.prepare(body_.ahead.size()), body_.ahead.size());
  input.commit(body_.ahead.size());
  body_.ahead.clear();
  connection_.transport().take_back();
}

Task<std::string> Exchange::read_all(std::size_t limit_bytes) {
  std::string out;
  if (body_.length.value_or(0) > limit_bytes) throw invalid("http: request body too large");
  for (;;) {
    const auto deadline = std::chrono::steady_clock::now() + connection_.context().options.body_timeout;
    std::optional<std::string> piece = co_await next_before(deadline);
    if (!piece) co_return out;
    if (out.size() + piece->size() > limit_bytes) throw invalid("http: request body too large");
    if (out.empty()) {
      out = std::move(*piece);
    } else {
      out += *piece;
    }
  }
}

bool Exchange::body_is_short() const { return body_.length && body_.remaining <= kDrainBytes; }

/// Everything up to the fields of the framing, which the caller adds with the empty line.
std::string Exchange::head_text(int status, std::string_view content_type, const std::vector<Header>& headers) {
  ConnectionContext& context = connection_.context();
  if (context.draining || (!body_done() && (owes_continue_ || !body_is_short()))) keep_alive_ = false;
  std::string out;
  out.reserve(512);
  append(out, "HTTP/1.1 ");
  append(out, status);
  append(out, ' ');
  append(out, reason_phrase(status));
  append(out, "\r\n");
  append(out, context.options.common_headers);
  if (!content_type.empty()) {
    append(out, "Content-Type: ");
    append_value(out, content_type);
    append(out, "\r\n");
  }
  append(out, context.date());
  for (const Header& header : headers) {
    append(out, header.name);
    append(out, ": ");
    append_value(out, header.value);
    append(out, "\r\n");
  }
  if (!keep_alive_) {
    append(out, "Connection: close\r\n");
  } else if (is_http_1_0_) {
    append(out, "Connection: keep-alive\r\n");
  }
  return out;
}

/// The rest of a short body goes out of the way first: a client that is answered in the middle of its upload (docker cp
/// to a place that doesn't exist) reports a broken pipe beside the answer. Go's servers do so, too.
Task<void> Exchange::hear_out() {
  if (body_done() || owes_continue_) co_return;
  try {
    co_await drain(kDrainBytes,
                   std::min<std::chrono::nanoseconds>(kHearOut, connection_.context().options.body_timeout));
  } catch (const Error&) {  // it is slow, or has gone, or sends what is no body
    keep_alive_ = false;
  }
}

Task<void> Exchange::send(Response response) {
  if (begun()) throw system_error("http: a second answer to one request");
  co_await hear_out();
  state_ = State::complete;
  std::string head = head_text(response.status, response.content_type, response.headers);
  if (!has_no_body(response.status)) {
    append(head, "Content-Length: ");
    append(head, response.body.size());
    append(head, "\r\n");
  }
  append(head, "\r\n");
  const bool silent = is_head_ || has_no_body(response.status);
  if (silent || response.body.size() > kCopyBytes) {
    co_await connection_.transport().write({head, silent ? std::string_view{} : response.body, {}});
  } else {
    head += response.body;
    co_await connection_.transport().write({head, {}, {}});
  }
}

Task<void> Exchange::send_file(Response response, sys::FdRef file, std::uint64_t offset, std::uint64_t size) {
  if (begun()) throw system_error("http: a second answer to one request");
  state_ = State::complete;
  std::string head = head_text(response.status, response.content_type, response.headers);
  append(head, "Content-Length: ");
  append(head, size);
  append(head, "\r\n\r\n");
  co_await connection_.transport().write({head, {}, {}});
  if (!is_head_) co_await connection_.transport().send_file(file, offset, size);
}

Task<void> Exchange::begin(int status, std::string content_type, std::vector<Header> headers) {
  if (begun()) throw system_error("http: a second answer to one request");
  state_ = State::streaming;
  chunked_ = !is_http_1_0_;
  bodiless_ = is_head_;
  const std::string head = stream_head(status, content_type, headers);
  co_await connection_.transport().write({head, {}, {}});
}

/// A whole head; the body's length is not known.
std::string Exchange::stream_head(int status, std::string_view content_type, const std::vector<Header>& headers) {
  if (is_http_1_0_) keep_alive_ = false;  // the end of the connection is the end of the body
  std::string head = head_text(status, content_type, headers);
  append(head, is_http_1_0_ ? "\r\n" : "Transfer-Encoding: chunked\r\n\r\n");
  return head;
}

std::shared_ptr<StoppableSink> Exchange::lend_stream(std::string content_type, std::vector<Header> headers) {
  if (begun()) throw system_error("http: a second answer to one request");
  if (is_head_ || !connection_.transport().can_lend()) return nullptr;
  lent_answer_ = std::make_shared<LentAnswer>(connection_.transport().lend(), stream_head(200, content_type, headers),
                                              !is_http_1_0_);
  return lent_answer_;
}

void Exchange::take_back_stream() {
  if (!lent_answer_) return;
  const std::shared_ptr<LentAnswer> answer = std::exchange(lent_answer_, nullptr);
  answer->abandon();
  connection_.transport().take_back();
  if (!answer->begun()) return;
  state_ = State::streaming;
  chunked_ = !is_http_1_0_;
}

Task<void> Exchange::begin_sized(Response response, std::uint64_t size) {
  if (begun()) throw system_error("http: a second answer to one request");
  state_ = State::streaming;
  bodiless_ = is_head_;
  std::string head = head_text(response.status, response.content_type, response.headers);
  append(head, "Content-Length: ");
  append(head, size);
  append(head, "\r\n\r\n");
  co_await connection_.transport().write({head, {}, {}});
}

Task<void> Exchange::write(std::string_view bytes) {
  if (state_ != State::streaming) throw system_error("http: no stream to write to");
  if (bytes.empty() || bodiless_) co_return;  // an empty chunk would be the end
  if (!chunked_) {
    co_await connection_.transport().write({bytes, {}, {}});
    co_return;
  }
  char size[24];
  char* end = std::to_chars(size, size + 16, bytes.size(), 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  co_await connection_.transport().write({std::string_view{size, end}, bytes, "\r\n"});
}

/// Ends when the client has closed its side. What it sends meanwhile is the next request: kept, within bounds.
Task<void> Exchange::watch() {
  for (;;) {
    if (connection_.input().size() >= kPipelinedBytes) co_await wait_for_ever();
    const std::optional<std::size_t> count = co_await connection_.fill();
    if (*count == 0) co_return;
  }
}

Task<void> Exchange::while_connected(Task<void> work) {
  using namespace asio::experimental::awaitable_operators;
  co_await drain(kDrainBytes);
  const auto first = co_await (async::outcome(std::move(work)) || watch());
  if (first.index() == 1) throw Error{ErrorKind::cancelled, "client disconnected"};
  if (const std::exception_ptr& error = std::get<0>(first)) std::rethrow_exception(error);
}

/// Sends the last words of HTTP and gives the connection away.
Task<Hijacked> Exchange::take_over(std::string head) {
  if (begun()) throw system_error("http: a second answer to one request");
  // A body that the handler had no use for is nobody's input: dockerode repeats its options there.
  if (length().value_or(0) > 0) {
    co_await drain(kDrainBytes);
    if (!body_done()) throw invalid("http: request body too large");
  }
  state_ = State::hijacked;
  Transport& transport = connection_.transport();
  co_await transport.write({head, {}, {}});
  Hijacked result;
  result.early_data = connection_.input().data();
  result.socket = transport.hand_over(connection_.context().pumps);
  co_return result;
}

Task<Hijacked> Exchange::hijack(std::string content_type) {
  return take_over(upgrade_ ? cat("HTTP/1.1 101 UPGRADED\r\nContent-Type: ", content_type,
                                  "\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
                            : cat("HTTP/1.1 200 OK\r\nContent-Type: ", content_type, "\r\n\r\n"));
}

Task<Hijacked> Exchange::accept_websocket(WebSocketOffer offer) {
  Hijacked client = co_await take_over(websocket_head(offer));
  EventLoop& loop = connection_.context().loop;
  Socket client_socket{loop}, our_socket{loop};
  auto [ours, theirs] = sys::socket_pair(SOCK_STREAM);
  put_on_loop(client_socket, std::move(client.socket));
  put_on_loop(our_socket, std::move(ours));
  connection_.context().pumps.spawn(
      "websocket", pump_websocket(make_plain_transport(std::move(client_socket)),
                                  make_plain_transport(std::move(our_socket)), std::move(client.early_data), loop));
  Hijacked engine;
  engine.socket = std::move(theirs);
  co_return engine;
}

Task<void> Exchange::drain(std::size_t limit_bytes) {
  return drain(limit_bytes, connection_.context().options.body_timeout);
}

Task<void> Exchange::drain(std::size_t limit_bytes, std::chrono::nanoseconds patience) {
  std::size_t total = 0;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!body_done() && total <= limit_bytes) {
    const std::optional<std::string> piece = co_await next_before(deadline);
    if (piece) total += piece->size();
  }
}

Task<Exchange::End> Exchange::finish() {
  if (state_ == State::hijacked) co_return End::gone;
  if (state_ == State::fresh) co_await send(Response::empty(500));
  if (state_ == State::streaming && chunked_ && !bodiless_) {
    co_await connection_.transport().write({"0\r\n\r\n", {}, {}});
  }
  if (keep_alive_ && !body_done()) co_await drain(kDrainBytes);
  co_return keep_alive_&& body_done() ? End::keep_alive : End::close;
}

}  // namespace berth::http
