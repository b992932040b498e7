// HTTP from its first byte: a connection's bytes go through Connection, Exchange, HeadParser and ChunkedDecoder, whole
// and in pieces. What the handler is shown must be the same both times, and within what was sent.

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/http/connection.h"
#include "base/http/transport.h"
#include "fuzz/fuzz.h"

namespace berth {
namespace {

struct Seen {
  std::vector<std::string> requests;  ///< each with its body, as the handler got it
  std::string answers;
};

/// A client that has sent everything in advance and then closes its side.
class Script final : public http::Transport {
 public:
  Script(std::string_view bytes, bool whole, Seen& seen)
      : bytes_(bytes), pieces_(bytes, 1), whole_(whole), seen_(seen) {}

  Task<void> open() override { co_return; }
  Task<void> wait_idle() override { co_return; }
  Task<std::size_t> read_some(char* buffer, std::size_t size) override {
    if (ended_) co_return 0;
    if (whole_) {
      const std::string_view piece = bytes_.substr(0, size);
      bytes_.remove_prefix(piece.size());
      std::ranges::copy(piece, buffer);
      co_return piece.size();
    }
    if (piece_.empty()) piece_ = pieces_.next();
    const std::string_view piece = piece_.substr(0, size);
    piece_.remove_prefix(piece.size());
    std::ranges::copy(piece, buffer);
    co_return piece.size();
  }
  Task<void> write(http::Pieces pieces) override {
    for (const std::string_view piece : pieces) seen_.answers += piece;
    co_return;
  }
  Task<void> send_file(sys::FdRef, std::uint64_t, std::uint64_t) override { co_return; }
  void shutdown_send() override {}
  void shutdown_receive() override { ended_ = true; }
  sys::UniqueFd hand_over(async::Nursery&) override { return {}; }

 private:
  std::string_view bytes_, piece_;
  fuzz::Pieces pieces_;
  bool whole_, ended_ = false;
  Seen& seen_;
};

/// Answers in each of the ways that the daemon's routes do, chosen by the path.
class Routes final : public http::Handler {
 public:
  Routes(Seen& seen, std::size_t sent) : seen_(seen), sent_(sent) {}

  Task<void> handle(http::Request request, http::ResponseStream& out) override {
    std::string shown = cat(request.method, " ", request.path, " ", request.query_text);
    fuzz::require(request.path.starts_with('/'), "a path starts with a slash");
    for (const http::Header& header : request.headers) {
      shown += cat("\n", header.name, ":", header.value);
      fuzz::require(header.value.find_first_of(std::string_view{"\r\n\0", 3}) == std::string::npos,
                    "a header's value is one line");
    }
    std::string refusal;
    try {
      const http::Query query = http::Query::parse(request.query_text);
      for (const std::string& value : query.all("a")) shown += cat("\na=", value);
    } catch (const Error& error) {
      refusal = error.text();
    }
    const char kind = request.path.size() > 1 ? request.path[1] : 'a';
    const std::size_t index = seen_.requests.size();
    seen_.requests.push_back(shown);
    if (kind == 'x') throw Error{ErrorKind::cancelled, "gone"};
    if (kind == 'h') {
      co_await out.hijack("application/vnd.docker.raw-stream");
      co_return;
    }
    if (kind != 'u') {  // 'u' leaves its body unread
      try {
        const std::string body = co_await request.body->read_all(1 << 20);
        fuzz::require(body.size() <= sent_, "a body is no longer than what was sent");
        seen_.requests[index] += cat("\n\n", body);
      } catch (const Error& error) {
        refusal = error.text();
      }
    }
    if (!refusal.empty()) {
      co_await out.send(http::Response::json(400, refusal));
    } else if (kind == 's') {
      co_await out.begin(200, "text/plain");
      co_await out.write("one");
      co_await out.write("two");
    } else if (kind != 'n') {
      co_await out.send(http::Response::empty(204));
    }
  }

 private:
  Seen& seen_;
  std::size_t sent_;
};

Seen talk(std::string_view bytes, bool whole) {
  Seen seen;
  EventLoop loop;
  Logger logger{LogLevel::error};
  Routes routes{seen, bytes.size()};
  async::Nursery pumps{loop};
  http::ConnectionContext context{.handler = routes,
                                  .options = {.common_headers = "Server: fuzz\r\n"},
                                  .logger = logger,
                                  .pumps = pumps,
                                  .loop = loop};
  context.options.head_limit_bytes = 4 << 10;
  http::Connection connection{context, std::make_unique<Script>(bytes, whole, seen)};
  bool ended = false;
  boost::asio::co_spawn(loop, connection.run(), [&](const std::exception_ptr& error) {
    ended = true;
    if (error) std::rethrow_exception(error);
  });
  loop.run();
  fuzz::require(ended, "a connection ends after its client");
  return seen;
}

}  // namespace
}  // namespace berth

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace berth;
  const std::string_view bytes{reinterpret_cast<const char*>(data), size};
  const Seen whole = talk(bytes, true), cut = talk(bytes, false);
  fuzz::require(whole.requests == cut.requests, "requests do not depend on how their bytes arrive");
  return 0;
}
