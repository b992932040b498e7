#include "base/http_client/tls.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <deque>
#include <thread>

#include "base/core/error.h"
#include "base/sys/socket.h"

namespace berth::http_client {
namespace {

/// A line that gives what it was told to, as one that isn't a socket does.
class FakeLine : public Connection {
 public:
  FakeLine(sys::UniqueFd fd, std::deque<std::string> gives) : fd_(std::move(fd)), gives_(std::move(gives)) {}

  std::size_t read(char*, std::size_t) override { throw system_error("not to be called"); }
  void write(std::string_view) override { throw system_error("not to be called"); }
  void shutdown_write() override {}
  std::optional<std::size_t> try_read(char* buffer, std::size_t size) override {
    if (gives_.empty()) return 0;  // the end
    std::string& first = gives_.front();
    if (first == "wait") {
      gives_.pop_front();
      return std::nullopt;
    }
    if (first == "fail") throw Error{ErrorKind::unavailable, "broken"};
    const std::size_t got = first.copy(buffer, size);
    first.erase(0, got);
    if (first.empty()) gives_.pop_front();
    return got;
  }
  std::size_t try_write(std::string_view bytes) override { return bytes.size(); }
  bool is_readable() override { return true; }
  sys::FdRef fd() const override { return fd_; }
  bool has_buffered() const override { return false; }
  bool is_plain() const override { return false; }
  void set_deadline(Deadline) override {}

 private:
  sys::UniqueFd fd_;  ///< always readable and writable
  std::deque<std::string> gives_;
};

std::string failure_of(std::deque<std::string> gives) {
  int pair[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  const sys::UniqueFd other{pair[1]};
  EXPECT_EQ(::send(other.get(), "x", 1, 0), 1);
  try {
    open_tls(std::make_unique<FakeLine>(sys::UniqueFd{pair[0]}, std::move(gives)), "host", {.enabled = true});
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unavailable);
    return error.text();
  }
  return "";
}

TEST(TlsOverAConnection, FailsWithTheLineBelow) {
  EXPECT_EQ(failure_of({}), "EOF");
  EXPECT_EQ(failure_of({"wait", "wait"}), "EOF");
  EXPECT_EQ(failure_of({"fail"}), "EOF");
  EXPECT_EQ(failure_of({"\x16\x03\x03"}), "EOF");
}

TEST(TlsOverAConnection, KnowsAPeerWithoutTls) {
  EXPECT_EQ(failure_of({"HTTP", "wait", "/1.1 400 Bad Request\r\n\r\n"}), kPlainPeer);
}

}  // namespace
}  // namespace berth::http_client
