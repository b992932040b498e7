#include "api/server/transfer.h"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <tuple>

#include "base/json/json.h"

namespace berth::api {

namespace {

Task<void> wait_for_ever() { co_await async::sleep_for(std::chrono::nanoseconds::max()); }

}  // namespace

Transfer::Transfer(EventLoop& loop, const Request& request, http::ResponseStream& out)
    : loop_(loop), body_(*request.body), out_(out) {}

Transfer::~Transfer() { take_back(); }

void Transfer::take_back() {
  body_.take_back_body();
  out_.take_back_stream();
}

Task<void> Transfer::open(Flow flow, std::string content_type, std::vector<http::Header> headers) {
  flow_ = flow;
  content_type_ = std::move(content_type);
  headers_ = std::move(headers);
  if (flow == Flow::upload) {
    upload_ = co_await body_.lend_body();
    if (!upload_) upload_ = upload_pipe_ = std::make_shared<async::UploadPipe>(loop_);
  } else if (flow == Flow::download) {
    download_ = out_.lend_stream(content_type_, headers_);
  }
  if (!download_) download_ = download_pipe_ = std::make_shared<async::DownloadPipe>(loop_);
}

/// Work's outcome; its end is also the end of what the loop pumps.
Task<std::exception_ptr> Transfer::run_work(Task<void> work) {
  std::exception_ptr failure;
  try {
    co_await std::move(work);
  } catch (...) {
    failure = std::current_exception();
  }
  if (upload_pipe_) upload_pipe_->abandon();
  if (download_pipe_) download_pipe_->finish();
  co_return failure;
}

/// Never ends by itself: work does, which then cancels this.
Task<void> Transfer::pump_body() {
  if (upload_) {
    try {
      while (upload_pipe_) {
        std::optional<std::string> piece = co_await body_.next();
        if (!piece) upload_pipe_->finish();
        if (!piece || !co_await upload_pipe_->push(std::move(*piece))) break;
      }
      if (!upload_pipe_) co_await wait_for_ever();
    } catch (...) {
      upload_->fail(std::current_exception());
    }
  }
  co_await wait_for_ever();
}

Task<std::exception_ptr> Transfer::work_and_body(Task<void> work) {
  using namespace boost::asio::experimental::awaitable_operators;
  const auto first = co_await (run_work(std::move(work)) || pump_body());
  co_return std::get<0>(first);
}

Task<std::exception_ptr> Transfer::pump_answer() {
  std::exception_ptr failure;
  try {
    for (;;) {
      const std::optional<std::string> piece = co_await download_pipe_->pop();
      if (!piece) break;
      if (!out_.begun()) co_await out_.begin(200, content_type_, headers_);
      co_await out_.write(*piece);
    }
  } catch (...) {
    failure = std::current_exception();
    download_->abandon();
  }
  co_return failure;
}

Task<void> Transfer::abandon_when_cancelled() {
  try {
    co_await wait_for_ever();
  } catch (...) {
    download_->abandon();
    throw;
  }
}

/// The same where work writes to the client itself: there is only a cancellation to pass on.
Task<std::exception_ptr> Transfer::run_alone(Task<void> work) {
  using namespace boost::asio::experimental::awaitable_operators;
  const auto first = co_await (run_work(std::move(work)) || abandon_when_cancelled());
  co_return std::get<0>(first);
}

/// What only reports its progress may be silent for long: nothing else would show that the client has left.
Task<void> Transfer::run(Task<void> work) {
  if (flow_ == Flow::progress) {
    co_await out_.while_connected(run_both(std::move(work)));
  } else {
    co_await run_both(std::move(work));
  }
}

Task<void> Transfer::run_both(Task<void> work) {
  using namespace boost::asio::experimental::awaitable_operators;
  std::exception_ptr first, second;
  if (download_pipe_) {
    std::tie(first, second) = co_await (work_and_body(std::move(work)) && pump_answer());
  } else {
    first = co_await run_alone(std::move(work));
  }
  take_back();
  for (const std::exception_ptr& failure : {first, second}) {
    if (failure) std::rethrow_exception(failure);
  }
}

std::string progress_error(std::string_view message) {
  std::string text;
  json::write_string(text, message);
  return cat("{\"errorDetail\":{\"message\":", text, "},\"error\":", text, "}\r\n");
}

}  // namespace berth::api
