#include "base/http/connection.h"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <ctime>

#include "base/core/error.h"
#include "base/http/exchange.h"

namespace berth::http {

namespace asio = boost::asio;
using asio::use_awaitable;

namespace {

constexpr std::size_t kLingerBytes = 256 << 10;
constexpr std::chrono::milliseconds kLingerTime{500};

/// A request under way is counted.
class Busy {
 public:
  explicit Busy(ConnectionContext& context) : context_(context) { ++context_.busy; }
  ~Busy() { --context_.busy; }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  ConnectionContext& context_;
};

Task<void> sleep_until(std::chrono::steady_clock::time_point deadline) {
  asio::steady_timer timer{co_await asio::this_coro::executor, deadline};
  co_await timer.async_wait(use_awaitable);
}

}  // namespace

char* InputBuffer::prepare(std::size_t room) {
  if (capacity_ - end_ >= room) return memory_.get() + end_;
  const std::size_t used = size();
  if (capacity_ - used >= room && begin_ > 0) {
    std::memmove(memory_.get(), memory_.get() + begin_, used);
  } else {
    capacity_ = std::max(used + room, capacity_ * 2);
    std::unique_ptr<char[]> larger{new char[capacity_]};
    if (used > 0) std::memcpy(larger.get(), memory_.get() + begin_, used);
    memory_ = std::move(larger);
  }
  begin_ = 0;
  end_ = used;
  return memory_.get() + end_;
}

void InputBuffer::put_back(std::string_view bytes) {
  if (bytes.empty()) return;
  if (begin_ < bytes.size()) {
    const std::size_t used = size();
    prepare(bytes.size());
    std::memmove(memory_.get() + begin_ + bytes.size(), memory_.get() + begin_, used);
    end_ += bytes.size();
  } else {
    begin_ -= bytes.size();
  }
  bytes.copy(memory_.get() + begin_, bytes.size());
}

void InputBuffer::release_if_empty() {
  if (empty()) *this = InputBuffer{};
}

std::string_view ConnectionContext::date() {
  const std::int64_t second = std::time(nullptr);
  if (second != date_second) {
    date_second = second;
    const std::time_t time = second;
    std::tm parts{};
    ::gmtime_r(&time, &parts);
    char text[64];
    date_header.assign(text, std::strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts));
  }
  return date_header;
}

Task<std::optional<std::size_t>> Connection::fill(Deadline deadline, std::size_t size) {
  using namespace asio::experimental::awaitable_operators;
  char* const room = input_.prepare(size);
  std::size_t count = 0;
  if (!deadline) {
    count = co_await transport_->read_some(room, size);
  } else {
    const auto first = co_await (transport_->read_some(room, size) || sleep_until(*deadline));
    if (first.index() == 1) co_return std::nullopt;
    count = std::get<0>(first);
  }
  input_.commit(count);
  co_return count;
}

Task<void> Connection::run() {
  try {
    co_await transport_->open();
    while (co_await serve()) {
      if (!input_.empty()) {
        co_await asio::post(co_await asio::this_coro::executor, use_awaitable);  // pipelined: others first
        continue;
      }
      input_.release_if_empty();
      if (context_.park && context_.park(*transport_)) co_return;
      co_await transport_->wait_idle();
    }
  } catch (const Error& error) {
    context_.logger.debug("http: connection ended: ", error.text());
  }
}

Task<std::optional<Head>> Connection::read_head() {
  HeadParser parser{context_.options.head_limit_bytes};
  Deadline deadline;  // none until a first byte is there: an idle connection may stay so
  for (;;) {
    if (!input_.empty()) {
      const HeadParser::Step step = parser.feed(input_.data());
      input_.consume(step.consumed);
      if (step.status == HeadStatus::done) co_return parser.take();
      if (step.status != HeadStatus::more) {
        co_await refuse(step.status == HeadStatus::malformed ? 400 : 431);
        co_return std::nullopt;
      }
      if (!deadline) deadline = std::chrono::steady_clock::now() + context_.options.head_timeout;
    }
    const std::optional<std::size_t> count = co_await fill(deadline);
    if (!count) co_await refuse(408);
    if (!count || *count == 0) co_return std::nullopt;
  }
}

Task<bool> Connection::serve() {
  std::optional<Head> head = co_await read_head();
  if (!head) co_return false;
  if (head->refused_status != 0) {
    co_await refuse(head->refused_status);
    co_return false;
  }
  const Busy busy{context_};
  Exchange exchange{*this, *head};
  Request request = std::move(head->request);
  request.body = &exchange;
  try {
    co_await context_.handler.handle(std::move(request), exchange);
  } catch (const Error& error) {
    context_.logger.debug("http: handler gave up: ", error.text());
    co_return false;
  }
  const Exchange::End end = co_await exchange.finish();
  if (context_.options.on_answered) context_.options.on_answered();
  if (end == Exchange::End::close) co_await linger();
  co_return end == Exchange::End::keep_alive;
}

/// An answer to what is no request; in Go's form, since clients print it.
Task<void> Connection::refuse(int status) {
  const std::string text = cat(status, " ", reason_phrase(status));
  const std::string answer =
      cat("HTTP/1.1 ", text, "\r\n", context_.options.common_headers,
          "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: ", text.size(), "\r\n\r\n",
          text);
  co_await transport_->write({answer, {}, {}});
  co_await linger();
}

/// Lets the client read our last words: closing with unread data would reset the connection under them.
Task<void> Connection::linger() {
  transport_->shutdown_send();
  const auto deadline = std::chrono::steady_clock::now() + kLingerTime;
  std::size_t total = 0;
  while (total < kLingerBytes) {
    input_.consume(input_.size());
    const std::optional<std::size_t> count = co_await fill(deadline);
    if (!count || *count == 0) co_return;
    total += *count;
  }
}

}  // namespace berth::http
