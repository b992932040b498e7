#include "registry/server/neighbours.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <thread>

#include "archive/digest.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "base/sys/socket.h"
#include "registry/client/neighbour.h"

namespace berth::registry::server {
namespace {

constexpr std::string_view kName = "0123456789abcdef0123456789abcdef";

/// A registry with half a second of patience, on a thread; what engines do to it, from this one.
class NeighboursTest : public testing::Test {
 protected:
  NeighboursTest() {
    neighbours_.listen(folder_.path() + "/sockets", std::string{kName});
    boost::asio::co_spawn(
        loop_,
        [this]() -> Task<void> {
          upload_ = (co_await uploads_.start("box", archive::DigestAlgorithm::sha256))->upload()->id();
        },
        [this](std::exception_ptr) { ready_.set_value(); });
    thread_ = std::thread{[this] {
      const auto guard = boost::asio::make_work_guard(loop_);
      loop_.run();
    }};
    ready_.get_future().wait();
  }
  ~NeighboursTest() override {
    std::promise<void> closed;
    boost::asio::co_spawn(loop_, neighbours_.close(), [&](std::exception_ptr) { closed.set_value(); });
    closed.get_future().wait();
    boost::asio::post(loop_, [this] { loop_.stop(); });
    thread_.join();
  }

  std::string socket() const { return *neighbour::socket_path(folder_.path() + "/sockets", kName); }
  std::string target() const { return cat("/v2/box/blobs/uploads/", upload_); }
  std::vector<std::string> uploads() const { return sys::list_dir(folder_.path() + "/root/uploads"); }

  /// Until the registry hangs up; what it has said.
  static std::string hear(sys::FdRef line) {
    std::string all;
    char piece[512];
    for (ssize_t got; (got = ::recv(line.get(), piece, sizeof piece, 0)) > 0;) {
      all.append(piece, static_cast<std::size_t>(got));
    }
    return all;
  }
  std::pair<std::string, int> next_note() { return notes_.get_future().get(); }

  sys::TemporaryDir folder_{"/tmp"};
  EventLoop loop_;
  async::BlockingPool pool_{loop_, 1};
  BlobFiles files_{folder_.path() + "/root"};
  Catalog catalog_{loop_, files_};
  Uploads uploads_{loop_, files_, pool_};
  Access access_{{}, pool_};
  Store store_{.files = files_, .catalog = catalog_, .uploads = uploads_};
  Logger log_;
  std::promise<std::pair<std::string, int>> notes_;
  Neighbours neighbours_{loop_,
                         pool_,
                         access_,
                         store_,
                         {.go = std::chrono::milliseconds{500}, .mark = std::chrono::milliseconds{500}},
                         [this](const http::Request& request, const std::string&, Neighbours::Passed passed) {
                           notes_.set_value({request.path, passed.status});
                         },
                         log_};
  std::string upload_;
  std::promise<void> ready_;
  std::thread thread_;
};

TEST_F(NeighboursTest, WhoAsksForAFileAndDoesNotTakeItIsHungUpOn) {
  const auto line = sys::connect_unix(socket(), SOCK_STREAM);
  ASSERT_TRUE(line);
  sys::send_message(*line, cat("PATCH ", target(), " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ",
                               neighbour::kUpgrade, "\r\n\r\n"));
  const std::string said = hear(*line);
  EXPECT_TRUE(said.starts_with("HTTP/1.1 101 ")) << said;
  EXPECT_EQ(next_note(), std::pair(target(), 408));
  EXPECT_EQ(uploads(), std::vector{upload_});  // nobody has written to it: another request may go on
}

TEST_F(NeighboursTest, WhoTakesAFileAndFallsSilentLosesItWithItsSpace) {
  auto handover = neighbour::ask(socket(), {.method = "PATCH", .url = parse_url(cat("http://x", target()))});
  ASSERT_TRUE(handover);
  sys::write_all(handover->file, "some bytes");
  const neighbour::Mark mark = 10;
  const sys::FdRef line = handover->line.connection().fd();
  sys::send_message(line, {reinterpret_cast<const char*>(&mark), sizeof mark});
  EXPECT_EQ(hear(line), std::string(1, neighbour::kAlive));
  EXPECT_EQ(next_note(), std::pair(target(), 408));
  EXPECT_TRUE(uploads().empty());
}

}  // namespace
}  // namespace berth::registry::server
