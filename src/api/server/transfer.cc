#include "api/server/transfer.h"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <exception>

#include "base/json/json.h"

namespace berth::api {

namespace {

/// Work's outcome; its end is also the end of both pipes.
Task<std::exception_ptr> run_work(Task<void> work, const Pipes& pipes) {
  std::exception_ptr failure;
  try {
    co_await std::move(work);
  } catch (...) {
    failure = std::current_exception();
  }
  if (pipes.upload) pipes.upload->abandon();
  pipes.download->finish();
  co_return failure;
}

/// Never ends by itself: work does, which then cancels this.
Task<void> pump_body(http::BodyReader& body, const Pipes& pipes) {
  if (pipes.upload) {
    try {
      for (bool wanted = true; wanted;) {
        std::optional<std::string> piece = co_await body.next();
        if (!piece) {
          pipes.upload->finish();
          break;
        }
        wanted = co_await pipes.upload->push(std::move(*piece));
      }
    } catch (...) {
      pipes.upload->fail(std::current_exception());
    }
  }
  co_await async::sleep_for(std::chrono::nanoseconds::max());
}

Task<std::exception_ptr> work_and_upload(Task<void> work, const Pipes& pipes, http::BodyReader& body) {
  using namespace boost::asio::experimental::awaitable_operators;
  const auto first = co_await (run_work(std::move(work), pipes) || pump_body(body, pipes));
  co_return std::get<0>(first);
}

Task<std::exception_ptr> pump_answer(const Pipes& pipes, http::ResponseStream& out) {
  std::exception_ptr failure;
  try {
    for (;;) {
      const std::optional<std::string> piece = co_await pipes.download->pop();
      if (!piece) break;
      if (!out.begun()) co_await out.begin(200, pipes.content_type, pipes.headers);
      co_await out.write(*piece);
    }
  } catch (...) {
    failure = std::current_exception();
    pipes.download->abandon();
  }
  co_return failure;
}

}  // namespace

Task<void> transfer(Task<void> work, Pipes pipes, http::BodyReader& body, http::ResponseStream& out) {
  using namespace boost::asio::experimental::awaitable_operators;
  const auto failures = co_await (work_and_upload(std::move(work), pipes, body) && pump_answer(pipes, out));
  for (const std::exception_ptr& failure : {std::get<0>(failures), std::get<1>(failures)}) {
    if (failure) std::rethrow_exception(failure);
  }
}

std::string progress_error(std::string_view message) {
  std::string text;
  json::write_string(text, message);
  return cat("{\"errorDetail\":{\"message\":", text, "},\"error\":", text, "}\r\n");
}

}  // namespace berth::api
