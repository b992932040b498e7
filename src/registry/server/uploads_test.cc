#include "registry/server/uploads.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <future>
#include <utility>

#include "base/core/error.h"
#include "base/sys/file.h"

namespace berth::registry::server {
namespace {

class EndlessBody final : public http::BodyReader {
 public:
  std::optional<std::uint64_t> length() const override { return std::nullopt; }
  Task<std::optional<std::string>> next() override { co_return std::nullopt; }
  Task<std::string> read_all(std::size_t) override { co_return ""; }
  Task<std::size_t> read_some(char* buffer, std::size_t size) override {
    std::fill_n(buffer, size, 'x');
    co_return size;
  }
};

struct Fixture : testing::Test {
  sys::TemporaryDir dir{"/tmp"};
  EventLoop loop;
  BlobFiles files{dir.path() + "/root"};
  async::BlockingPool pool{loop, 1};
  Uploads uploads{
      loop, files, pool, {.rival = std::chrono::milliseconds{20}, .silence = std::chrono::milliseconds{40}}};
};

Task<void> fill(Uploads& uploads, std::string& id) {
  const std::unique_ptr<Uploads::Hold> hold = co_await uploads.start("a", archive::DigestAlgorithm::sha256);
  id = hold->upload()->id();
  EndlessBody body;
  co_await uploads.append(*hold, body, 0);
}

/// Some bytes; then nothing until it is stopped.
class SilentBody final : public http::BodyReader {
 public:
  explicit SilentBody(EventLoop& loop) : stopped_(loop) {}
  std::optional<std::uint64_t> length() const override { return std::nullopt; }
  Task<std::optional<std::string>> next() override { co_return std::nullopt; }
  Task<std::string> read_all(std::size_t) override { co_return ""; }
  Task<std::size_t> read_some(char* buffer, std::size_t) override {
    if (!std::exchange(spoke_, true)) {
      buffer[0] = 'x';
      co_return 1;
    }
    co_await stopped_.wait();
    throw invalid("unexpected EOF");
  }
  void stop() override { stopped_.notify_all(); }

 private:
  async::Signal stopped_;
  bool spoke_ = false;
};

Task<void> fall_silent(Uploads& uploads, EventLoop& loop, std::string& id) {
  const std::unique_ptr<Uploads::Hold> hold = co_await uploads.start("a", archive::DigestAlgorithm::sha256);
  id = hold->upload()->id();
  SilentBody body{loop};
  co_await uploads.append(*hold, body, 0);
}

Task<void> take_over(Uploads& uploads, const std::string& id, std::uint64_t& seen, std::uint64_t& taken) {
  seen = co_await uploads.find_size(id, "a");
  const std::unique_ptr<Uploads::Hold> hold = co_await uploads.take(id, "a");
  taken = hold->upload()->size();
}

Task<void> block(async::BlockingPool& pool, std::future<void> until) {
  const auto wait = [&] { until.wait(); };
  co_await pool.run(wait);
}

/// As when the registry stops while a piece is on its way to the disk.
TEST_F(Fixture, AnUploadThatIsCancelledStays) {
  std::promise<void> cancelled;
  boost::asio::co_spawn(loop, block(pool, cancelled.get_future()), boost::asio::detached);
  boost::asio::cancellation_signal cancel;
  std::string id;
  ErrorKind kind{};
  const auto on_end = [&](const std::exception_ptr& error) {
    try {
      std::rethrow_exception(error);
    } catch (const Error& failure) {
      kind = failure.kind();
    }
  };
  boost::asio::co_spawn(loop, fill(uploads, id), boost::asio::bind_cancellation_slot(cancel.slot(), on_end));
  boost::asio::post(loop, [&] {
    cancel.emit(boost::asio::cancellation_type::terminal);
    cancelled.set_value();
  });
  loop.run();
  EXPECT_EQ(kind, ErrorKind::cancelled);
  EXPECT_EQ(files.list_uploads(), std::vector<std::string>{id});
  EXPECT_GT(BlobFiles::Upload(files, id, "a").size(), 64U << 10);
}

std::string text_of(const std::exception_ptr& error) {
  try {
    if (error) std::rethrow_exception(error);
  } catch (const std::exception& failure) {
    return failure.what();
  }
  return "";
}

TEST_F(Fixture, ASilentClientGivesWayToTheNext) {
  std::string id, first, second;
  std::uint64_t seen = 0, taken = 0;
  boost::asio::co_spawn(loop, fall_silent(uploads, loop, id), [&](const std::exception_ptr& e) { first = text_of(e); });
  loop.poll();  // has read what there is
  boost::asio::co_spawn(loop, take_over(uploads, id, seen, taken),
                        [&](const std::exception_ptr& e) { second = text_of(e); });
  loop.run();
  EXPECT_EQ(first, "unexpected EOF");
  EXPECT_EQ(second, "");
  EXPECT_EQ(seen, 1U);
  EXPECT_EQ(taken, 1U);
}

TEST_F(Fixture, SilenceEndsAnUploadsRequest) {
  std::string id, first;
  boost::asio::co_spawn(loop, fall_silent(uploads, loop, id), [&](const std::exception_ptr& e) { first = text_of(e); });
  loop.run();
  EXPECT_EQ(first, "unexpected EOF");
  EXPECT_EQ(BlobFiles::Upload(files, id, "a").size(), 1U);
}

}  // namespace
}  // namespace berth::registry::server
