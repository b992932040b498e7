#include "base/http/server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <thread>
#include <vector>

#include "base/async/async.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "base/sys/socket.h"

namespace berth::http {
namespace {

using namespace std::chrono_literals;

/// Answers by path: what the tests need of a handler.
class FakeHandler final : public Handler {
 public:
  explicit FakeHandler(EventLoop& loop) : loop_(loop) {}

  Task<void> handle(Request request, ResponseStream& out) override {
    if (request.path == "/echo") {
      std::string body = co_await request.body->read_all(1 << 20);
      co_await out.send(Response{.status = 200, .content_type = "text/plain", .body = std::move(body)});
    } else if (request.path == "/lent-echo") {
      co_await echo_on_a_thread(*request.body, out);
    } else if (request.path == "/some-echo") {
      std::string text;
      char buffer[7];
      while (const std::size_t count = co_await request.body->read_some(buffer, sizeof buffer)) {
        reading = true;
        text.append(buffer, count);
      }
      co_await out.send(Response{.status = 200, .content_type = {}, .body = std::move(text)});
    } else if (request.path == "/lent-stream") {
      co_await stream_from_a_thread(out, request.query_text);
    } else if (request.path == "/ignore-body") {
      co_await out.send(Response{.status = 200, .content_type = {}, .body = "ignored"});
    } else if (request.path == "/stream") {
      co_await out.begin(200, "text/plain");
      co_await out.write("one ");
      co_await out.write("two");
    } else if (request.path == "/broken-stream") {
      co_await out.begin(200, "text/plain");
      co_await out.write("half");
      throw system_error("no more");
    } else if (request.path == "/wait") {
      co_await out.begin(200, "text/plain");
      co_await out.while_connected(wait_for_ever());
    } else if (request.path == "/flood") {
      co_await out.begin(200, "text/plain");
      const std::string piece(64 << 10, 'x');
      for (;;) {
        co_await out.write(piece);
        flooded += piece.size();
      }
    } else if (request.path == "/injection") {
      co_await out.send(
          {.status = 200, .content_type = "a/b\r\nX-Evil: 1", .body = "", .headers = {{"X-Name", "c\r\n\r\nd"}}});
    } else if (request.path == "/hijack") {
      hijacked = co_await out.hijack("application/vnd.docker.raw-stream");
      hijack_done.set_value();
    } else {
      co_await out.send(
          Response{.status = 200, .content_type = "text/plain", .body = cat(request.method, " ", request.path)});
    }
  }

  std::promise<void> cancelled, hijack_done;
  Hijacked hijacked;
  std::atomic<std::size_t> flooded = 0;
  std::atomic<bool> reading = false;                ///< /some-echo has something of the body
  std::atomic<StoppableSource*> waiting = nullptr;  ///< of /lent-echo, while it reads

 private:
  /// The body as a thread sees it, in small reads; an error as the answer.
  Task<void> echo_on_a_thread(BodyReader& body, ResponseStream& out) {
    const std::shared_ptr<StoppableSource> source = co_await body.lend_body();
    if (!source) {
      co_await out.send(Response{.status = 200, .content_type = {}, .body = "nothing to lend"});
      co_return;
    }
    waiting = source.get();
    std::string seen = co_await pool_.run([&] {
      std::string text;
      try {
        char buffer[7];
        while (const std::size_t count = source->read(buffer, sizeof buffer)) text.append(buffer, count);
      } catch (const Error& error) {
        text += cat(" [", error.text(), "]");
      }
      return text;
    });
    body.take_back_body();
    co_await out.send(Response{.status = 200, .content_type = {}, .body = std::move(seen)});
  }

  Task<void> stream_from_a_thread(ResponseStream& out, std::string mode) {
    const std::shared_ptr<StoppableSink> sink = out.lend_stream("text/plain", {{"X-Lent", "yes"}});
    if (!sink) {
      co_await out.send(Response::empty(200));
      co_return;
    }
    const std::exception_ptr failure = co_await pool_.run([&] {
      try {
        if (mode == "fail") throw not_found("nothing here");
        sink->write("one ");
        const sys::UniqueFd file = sys::memory_file("content", "0123456789");
        sink->write_file(file.get(), 2, 4);
        sink->write_file(file.get(), 8, 4);  // two bytes more than there are
        if (mode == "break") throw system_error("no more");
        const std::string piece(64 << 10, 'x');
        while (mode == "flood") {
          sink->write(piece);
          flooded += piece.size();
        }
      } catch (...) {
        return std::current_exception();
      }
      return std::exception_ptr{};
    });
    out.take_back_stream();
    if (failure && out.begun()) cancelled.set_value();
    if (failure && !out.begun())
      co_await out.send(Response::empty(404));
    else if (failure)
      std::rethrow_exception(failure);
  }

  EventLoop& loop_;
  async::BlockingPool pool_{loop_, 2};

  Task<void> wait_for_ever() {
    async::Signal never{loop_};
    std::exception_ptr failure;
    try {
      co_await never.wait();
    } catch (...) {
      failure = std::current_exception();
      cancelled.set_value();
    }
    if (failure) std::rethrow_exception(failure);
  }
};

class Client {
 public:
  explicit Client(sys::UniqueFd socket) : socket_(std::move(socket)) {}

  void send(std::string_view bytes) const { sys::write_all(socket_, bytes); }
  /// Reads until `end` has come, the server closes, or two seconds have passed.
  std::string receive_until(std::string_view end) {
    while (!received_.contains(end)) {
      pollfd entry{socket_.get(), POLLIN, 0};
      if (::poll(&entry, 1, 2000) <= 0) break;
      char buffer[4096];
      const ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, 0);
      if (count <= 0) break;
      received_.append(buffer, static_cast<std::size_t>(count));
    }
    const std::size_t at = std::min(received_.find(end), received_.size());
    const std::size_t stop = std::min(at + end.size(), received_.size());
    const std::string out = received_.substr(0, stop);
    received_.erase(0, stop);
    return out;
  }
  std::string ask(std::string_view request, std::string_view end) {
    send(request);
    return receive_until(end);
  }
  std::string receive_all() { return receive_until("\x01never\x01"); }
  bool closed() {
    pollfd entry{socket_.get(), POLLIN, 0};
    char c;
    return ::poll(&entry, 1, 2000) == 1 && ::recv(socket_.get(), &c, 1, 0) <= 0;
  }
  void shutdown_send() const { ::shutdown(socket_.get(), SHUT_WR); }

 private:
  sys::UniqueFd socket_;
  std::string received_;
};

class HttpServer : public testing::Test {
 protected:
  HttpServer() : dir_("/tmp"), path_(dir_.path() + "/http.sock") {
    server_ = std::make_unique<Server>(loop_, handler_,
                                       ServerOptions{.common_headers = "Api-Version: 1.51\r\n",
                                                     .head_limit_bytes = 8 << 10,
                                                     .head_timeout = 100ms,
                                                     .body_timeout = 100ms},
                                       logger_);
    server_->listen_unix(path_, "");
    thread_ = std::thread{[this] { loop_.run(); }};
  }
  ~HttpServer() override {
    close();
    work_.reset();
    thread_.join();
  }

  void close() {
    std::promise<void> closed;
    boost::asio::co_spawn(loop_, server_->close(), [&](const std::exception_ptr&) { closed.set_value(); });
    closed.get_future().wait();
  }
  std::size_t connections() {
    std::promise<std::size_t> count;
    boost::asio::post(loop_, [&] { count.set_value(server_->connections()); });
    return count.get_future().get();
  }
  /// Soon, that is: one that is parked has two entries for a moment.
  std::size_t connections_are(std::size_t wanted) {
    for (int i = 0; i < 200 && connections() != wanted; ++i) std::this_thread::sleep_for(10ms);
    return connections();
  }
  Client connect() {
    auto socket = sys::connect_unix(path_, SOCK_STREAM);
    EXPECT_TRUE(socket.has_value());
    return Client{std::move(*socket)};
  }

  sys::TemporaryDir dir_;
  std::string path_;
  EventLoop loop_;
  boost::asio::executor_work_guard<EventLoop::executor_type> work_{loop_.get_executor()};
  Logger logger_{LogLevel::fatal};
  FakeHandler handler_{loop_};
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

TEST_F(HttpServer, AnswersSeveralRequestsOnOneConnection) {
  Client client = connect();
  for (int i = 0; i < 3; ++i) {
    const std::string answer = client.ask("GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\n")) << answer;
    EXPECT_TRUE(answer.contains("Content-Length: 6\r\n")) << answer;
  }
}

TEST_F(HttpServer, NoValueBeginsAHeaderOfItsOwn) {
  const std::string answer = connect().ask("GET /injection HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n");
  EXPECT_TRUE(answer.contains("\r\nContent-Type: a/bX-Evil: 1\r\n")) << answer;
  EXPECT_TRUE(answer.contains("\r\nX-Name: cd\r\n")) << answer;
}

/// More than may stay awake.
TEST_F(HttpServer, ManyTakeTurns) {
  std::vector<Client> clients;
  for (int i = 0; i < 150; ++i) clients.push_back(connect());
  for (int round = 0; round < 3; ++round) {
    for (const Client& client : clients) client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    for (Client& client : clients) EXPECT_TRUE(client.receive_until("GET /a").ends_with("GET /a"));
  }
  EXPECT_EQ(connections_are(clients.size()), clients.size());
  for (int i = 0; i < 149; ++i) clients.pop_back();
  EXPECT_TRUE(clients[0].ask("GET /b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /b").ends_with("GET /b"));
  EXPECT_EQ(connections_are(1), 1U);
  close();
  EXPECT_TRUE(clients[0].closed());
}

TEST_F(HttpServer, AnswersPipelinedRequestsInOrder) {
  Client client = connect();
  client.send(
      "GET /first HTTP/1.1\r\nHost: x\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
      "GET /third HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.receive_until("GET /first").ends_with("GET /first"));
  EXPECT_TRUE(client.receive_until("hello").ends_with("hello"));
  EXPECT_TRUE(client.receive_until("GET /third").ends_with("GET /third"));
}

TEST_F(HttpServer, TakesARequestByteByByte) {
  Client client = connect();
  for (const char c : std::string_view{"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"}) client.send({&c, 1});
  EXPECT_TRUE(client.receive_until("GET /slow").ends_with("GET /slow"));
}

TEST_F(HttpServer, ReadsChunkedBodies) {
  Client client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
  client.send("lo\r\n6;ext=1\r\n world\r\n0\r\nTrailer: x\r\n\r\n");
  EXPECT_TRUE(client.receive_until("hello world").ends_with("hello world"));
  EXPECT_TRUE(client.ask("GET /next HTTP/1.1\r\nHost: x\r\n\r\n", "GET /next").ends_with("GET /next"));
}

TEST_F(HttpServer, SendsContinueOnlyWhenTheBodyIsWanted) {
  Client client = connect();
  EXPECT_EQ(
      client.ask("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", "\r\n\r\n"),
      "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_TRUE(client.ask("abc", "abc").ends_with("abc"));
  const std::string answer = client.ask(
      "POST /ignore-body HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", "ignored");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK")) << answer;
  EXPECT_TRUE(answer.contains("Connection: close")) << answer;
}

TEST_F(HttpServer, AThreadReadsABodyFromTheSocketItself) {
  Client client = connect();
  // Framing in pieces, and the next request behind the body's end.
  client.send("POST /lent-echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
  client.send("lo\r\n1");
  client.send("1;ext=1\r\n, world of bodies\r\n0\r\nTrailer: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.receive_until("bodies").ends_with("\r\n\r\nhello, world of bodies"));
  EXPECT_TRUE(client.receive_until("GET /next").ends_with("GET /next"));
  client.send("POST /lent-echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234");
  EXPECT_TRUE(client.ask("56789GET /third HTTP/1.1\r\nHost: x\r\n\r\n", "GET /third")
                  .contains("\r\n\r\n0123456789HTTP/1.1 200"));
  EXPECT_TRUE(client.ask("POST /lent-echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "to lend")
                  .ends_with("nothing to lend"));
}

TEST_F(HttpServer, DrainingLetsWhatRunsEndAndTakesNoMore) {
  Client idle = connect(), busy = connect();
  EXPECT_TRUE(idle.ask("GET /first HTTP/1.1\r\nHost: x\r\n\r\n", "GET /first").contains("200"));
  busy.send("POST /some-echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc");
  while (!handler_.reading) std::this_thread::sleep_for(1ms);
  std::promise<void> drained;
  boost::asio::co_spawn(loop_, server_->drain(30s), [&](std::exception_ptr) { drained.set_value(); });
  std::future<void> ended = drained.get_future();
  EXPECT_EQ(ended.wait_for(50ms), std::future_status::timeout);
  const std::string answer = busy.ask("def", "def");
  EXPECT_TRUE(answer.ends_with("abcdef")) << answer;
  EXPECT_TRUE(answer.contains("Connection: close")) << answer;
  EXPECT_EQ(ended.wait_for(10s), std::future_status::ready);
}

TEST_F(HttpServer, DrainingIsBounded) {
  Client stuck = connect();
  stuck.send("POST /some-echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc");
  while (!handler_.reading) std::this_thread::sleep_for(1ms);
  std::promise<void> drained;
  boost::asio::co_spawn(loop_, server_->drain(20ms), [&](std::exception_ptr) { drained.set_value(); });
  EXPECT_EQ(drained.get_future().wait_for(10s), std::future_status::ready);
}

TEST_F(HttpServer, ABodyIsReadIntoTheHandlersMemory) {
  Client client = connect();
  client.send("POST /some-echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
  client.send("lo\r\n1");
  client.send("1;ext=1\r\n, world of bodies\r\n0\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.receive_until("bodies").ends_with("\r\n\r\nhello, world of bodies"));
  EXPECT_TRUE(client.receive_until("GET /next").ends_with("GET /next"));
  client.send("POST /some-echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234");
  EXPECT_TRUE(client.ask("56789GET /third HTTP/1.1\r\nHost: x\r\n\r\n", "GET /third")
                  .contains("\r\n\r\n0123456789HTTP/1.1 200"));
  EXPECT_EQ(client.ask("POST /some-echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
                       "\r\n\r\n"),
            "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_TRUE(client.ask("abc", "abc").ends_with("abc"));
}

/// What lies behind a body that came in one piece with it is the next request, also when all of it fits one read.
TEST_F(HttpServer, WhatIsBehindAChunkedBodyIsPutBack) {
  Client client = connect();
  std::string many;
  for (int i = 0; i < 20; ++i) {
    many += "POST /some-echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
  }
  client.send(many + "GET /last HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string answers = client.receive_until("GET /last");
  std::size_t echoes = 0;
  for (std::size_t at = 0; (at = answers.find("\r\n\r\na", at)) != std::string::npos; ++at) ++echoes;
  EXPECT_EQ(echoes, 20U);
}

TEST_F(HttpServer, AThreadThatReadsABodySendsContinueFirst) {
  Client client = connect();
  EXPECT_EQ(client.ask("POST /lent-echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
                       "\r\n\r\n"),
            "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_TRUE(client.ask("abc", "abc").ends_with("abc"));
}

TEST_F(HttpServer, AThreadSeesThatABodyEndsEarlyOrIsMalformed) {
  Client early = connect();
  early.send("POST /lent-echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
  early.shutdown_send();
  EXPECT_TRUE(early.receive_all().contains("\r\n\r\nabc [unexpected EOF]"));
  Client malformed = connect();
  malformed.send("POST /lent-echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd");
  EXPECT_TRUE(malformed.receive_until("]").contains("[malformed chunked encoding]"));
}

TEST_F(HttpServer, AThreadThatWaitsForABodyIsStopped) {
  Client client = connect();
  client.send("POST /lent-echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
  while (handler_.waiting == nullptr) std::this_thread::sleep_for(1ms);
  // On the loop, which is where it ends.
  boost::asio::post(
      loop_, [&] { handler_.waiting.load()->fail(std::make_exception_ptr(conflict("somebody else needs it"))); });
  EXPECT_TRUE(client.receive_until("]").ends_with("[somebody else needs it]"));
}

TEST_F(HttpServer, AThreadWritesAnAnswerToTheSocketItself) {
  Client client = connect();
  std::string answer = client.ask("GET /lent-stream HTTP/1.1\r\nHost: x\r\n\r\n", "0\r\n\r\n");
  EXPECT_TRUE(answer.contains("X-Lent: yes\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with(std::string{"\r\n\r\n4\r\none \r\n4\r\n2345\r\n4\r\n89\0\0\r\n0\r\n\r\n", 36}))
      << answer;
  answer = client.ask("GET /lent-stream?fail HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 404 ")) << answer;
  EXPECT_TRUE(client.ask("HEAD /lent-stream HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n").starts_with("HTTP/1.1 200 "));
  client.send("GET /lent-stream HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(client.receive_all().ends_with(std::string{"\r\n\r\none 234589\0\0", 16}));
  Client other = connect();
  other.send("GET /lent-stream?break HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(other.receive_all().ends_with(std::string{"89\0\0\r\n", 6}));
}

TEST_F(HttpServer, AThreadWaitsForAClientThatDoesNotReadAndLearnsThatItLeft) {
  auto ended = handler_.cancelled.get_future();
  {
    Client client = connect();
    client.ask("GET /lent-stream?flood HTTP/1.1\r\nHost: x\r\n\r\n", "one");
    std::size_t before = 1;
    while (handler_.flooded != before) {
      before = handler_.flooded;
      std::this_thread::sleep_for(50ms);
    }
    EXPECT_LT(before, 4u << 20);
    EXPECT_EQ(ended.wait_for(0s), std::future_status::timeout);
  }
  EXPECT_EQ(ended.wait_for(2s), std::future_status::ready);
}

TEST_F(HttpServer, SkipsAShortBodyNobodyRead) {
  Client client = connect();
  EXPECT_TRUE(client.ask("POST /ignore-body HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nGET", "ignored")
                  .ends_with("ignored"));
  EXPECT_TRUE(client.ask("GET /b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /b").ends_with("GET /b"));
}

TEST_F(HttpServer, StreamsInChunks) {
  Client client = connect();
  const std::string answer = client.ask("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", "0\r\n\r\n");
  EXPECT_TRUE(answer.contains("Transfer-Encoding: chunked\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with("4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n")) << answer;
}

TEST_F(HttpServer, Http10GetsNoChunksAndAClosedConnection) {
  Client client = connect();
  client.send("GET /stream HTTP/1.0\r\n\r\n");
  const std::string answer = client.receive_all();
  EXPECT_FALSE(answer.contains("chunked")) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\none two")) << answer;
}

TEST_F(HttpServer, CutsTheConnectionWhenAStreamFails) {
  Client client = connect();
  client.send("GET /broken-stream HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.receive_all().ends_with("4\r\nhalf\r\n"));
}

TEST_F(HttpServer, HeadHasALengthAndNoBody) {
  Client client = connect();
  const std::string answer =
      client.ask("HEAD /h HTTP/1.1\r\nHost: x\r\n\r\nGET /n HTTP/1.1\r\nHost: x\r\n\r\n", "GET /n");
  EXPECT_TRUE(answer.contains("Content-Length: 7\r\n\r\nHTTP/1.1 200 OK")) << answer;
}

TEST_F(HttpServer, RefusesWhatIsNoRequest) {
  for (const std::string_view bytes :
       {"garbage\r\n\r\n", "GET /a HTTP/1.1\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}) {
    Client client = connect();
    client.send(bytes);
    client.shutdown_send();
    EXPECT_TRUE(client.receive_all().starts_with("HTTP/1.1 400 Bad Request\r\n")) << bytes;
  }
}

TEST_F(HttpServer, RefusesEncodingsItDoesNotKnow) {
  Client client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
  client.shutdown_send();
  EXPECT_TRUE(client.receive_all().starts_with("HTTP/1.1 501 "));
}

TEST_F(HttpServer, RefusesHeadsThatAreTooLong) {
  Client client = connect();
  client.send(cat("GET / HTTP/1.1\r\nHost: x\r\nX: ", std::string(9000, 'x')));
  client.shutdown_send();
  EXPECT_TRUE(client.receive_all().starts_with("HTTP/1.1 431 "));
}

TEST_F(HttpServer, GivesUpOnHalfARequest) {
  Client client = connect();
  client.send("GET / HTTP/1.1\r\nHost:");
  EXPECT_TRUE(client.receive_until("408 Request Timeout\r\n").starts_with("HTTP/1.1 408 "));
}

TEST_F(HttpServer, ABodyThatEndsEarlyIsAnErrorForTheHandler) {
  Client client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
  client.shutdown_send();
  EXPECT_EQ(client.receive_all(), "");  // this handler lets the error pass: cut
}

TEST_F(HttpServer, CancelsAWaitingHandlerWhenTheClientLeaves) {
  auto cancelled = handler_.cancelled.get_future();
  {
    Client client = connect();
    client.ask("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n");
    EXPECT_EQ(cancelled.wait_for(20ms), std::future_status::timeout);
  }
  EXPECT_EQ(cancelled.wait_for(2s), std::future_status::ready);
}

TEST_F(HttpServer, AClientThatDoesNotReadStopsTheWriter) {
  Client client = connect();
  client.send("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
  std::size_t before = 1;
  while (handler_.flooded != before) {
    before = handler_.flooded;
    std::this_thread::sleep_for(50ms);
  }
  EXPECT_LT(before, 4u << 20);
  EXPECT_TRUE(connect().ask("GET /other HTTP/1.1\r\nHost: x\r\n\r\n", "GET /other").ends_with("GET /other"));
}

TEST_F(HttpServer, HijacksWithUpgrade) {
  auto done = handler_.hijack_done.get_future();
  Client client = connect();
  const std::string head = client.ask(
      "POST /hijack HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}early",
      "\r\n\r\n");
  EXPECT_EQ(head,
            "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
            "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
  ASSERT_EQ(done.wait_for(2s), std::future_status::ready);
  EXPECT_EQ(handler_.hijacked.early_data, "early");
  EXPECT_EQ(::fcntl(handler_.hijacked.socket.get(), F_GETFL) & O_NONBLOCK, 0);
  sys::write_all(handler_.hijacked.socket, "output");
  handler_.hijacked.socket.reset();
  EXPECT_EQ(client.receive_all(), "output");
}

TEST_F(HttpServer, HijacksInTheOldForm) {
  auto done = handler_.hijack_done.get_future();
  Client client = connect();
  EXPECT_EQ(client.ask("POST /hijack HTTP/1.1\r\nHost: x\r\n\r\nraw", "\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n");
  ASSERT_EQ(done.wait_for(2s), std::future_status::ready);
  EXPECT_EQ(handler_.hijacked.early_data, "raw");
  handler_.hijacked = {};
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServer, CloseEndsIdleAndWaitingConnections) {
  Client idle = connect();
  Client waiting = connect();
  idle.ask("GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a");
  auto cancelled = handler_.cancelled.get_future();
  waiting.ask("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n");
  close();
  EXPECT_TRUE(idle.closed());
  EXPECT_TRUE(waiting.closed());
  EXPECT_EQ(cancelled.wait_for(0s), std::future_status::ready);
  EXPECT_FALSE(sys::exists(path_));
}

TEST_F(HttpServer, ReplacesADeadSocketButNotALiveOne) {
  struct stat stat{};
  ASSERT_EQ(::stat(path_.c_str(), &stat), 0);
  EXPECT_EQ(stat.st_mode & 0777, 0660u);
  Server other{loop_, handler_, {}, logger_};
  EXPECT_THROW(other.listen_unix(path_, ""), Error);
  const std::string dead = dir_.path() + "/dead.sock";
  (void)sys::listen_unix(dead, SOCK_STREAM);
  EXPECT_NO_THROW(other.listen_unix(dead, ""));
  std::promise<void> closed;
  boost::asio::co_spawn(loop_, other.close(), [&](const std::exception_ptr&) { closed.set_value(); });
  closed.get_future().wait();
}

TEST(ReasonPhrase, IsThatOfGo) {
  EXPECT_EQ(reason_phrase(202), "Accepted");
  EXPECT_EQ(reason_phrase(206), "Partial Content");
  EXPECT_EQ(reason_phrase(405), "Method Not Allowed");
  EXPECT_EQ(reason_phrase(416), "Range Not Satisfiable");
}

}  // namespace
}  // namespace berth::http
