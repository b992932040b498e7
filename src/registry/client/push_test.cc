#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <thread>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/http_client/connection.h"
#include "registry/client/repository.h"

namespace berth::registry {
namespace {

using namespace std::chrono_literals;

std::string answer(int status, std::string_view body = "", std::string_view more = "") {
  return cat("HTTP/1.1 ", status, " x\r\nContent-Length: ", body.size(), "\r\n", more, "\r\n", body);
}

std::string failure(int status, std::string_view words) {
  return answer(status, cat(R"({"errors":[{"code":"UNKNOWN","message":")", words, "\"}]}"));
}

/// Answers each method as it is told to, on a thread for each connection.
class Registry {
 public:
  using Answers = std::function<std::string(const std::string& method)>;
  enum class Patch { read, refused };  ///< refused: answered before its body, which is swallowed for ever then

  Registry(Patch patch, Answers answers) : patch_(patch), answers_(std::move(answers)) {
    sockaddr_in at{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    auto* const address = reinterpret_cast<sockaddr*>(&at);
    if (::bind(listener_.get(), address, size) != 0 || ::listen(listener_.get(), 8) != 0) throw system_error("listen");
    ::getsockname(listener_.get(), address, &size);
    address_ = cat("http://127.0.0.1:", ntohs(at.sin_port));
    accepting_ = std::jthread{[this] { accept(); }};
  }
  ~Registry() { ::shutdown(listener_.get(), SHUT_RDWR); }

  Repository repository(int tries) const {
    return {{.silence = 2s, .attempts = tries}, address_, "x", {}, Access::push};
  }

 private:
  void accept() {
    std::vector<std::jthread> serving;
    for (;;) {
      sys::UniqueFd fd{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
      if (!fd) return;
      serving.emplace_back([this, line = http_client::open_plain(std::move(fd))] { serve(*line); });
    }
  }

  void serve(http_client::Connection& line) try {
    char piece[4096];
    std::string text;
    while (const std::size_t got = line.read(piece, sizeof piece)) {
      text.append(piece, got);
      if (text.find("\r\n\r\n") == std::string::npos) continue;
      const bool patch = text.starts_with("PATCH"), whole = text.ends_with("\r\n0\r\n\r\n");
      if (patch && patch_ == Patch::read && !whole) continue;
      line.write(answers_(text.substr(0, text.find(' '))));
      text.clear();
      while (patch && patch_ == Patch::refused && line.read(piece, sizeof piece) > 0) {
      }
    }
  } catch (const Error&) {
    // The client has gone.
  }

  const Patch patch_;
  const Answers answers_;
  sys::UniqueFd listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::string address_;
  std::jthread accepting_;
};

/// What a push of one blob says, when a PUT is answered with the first of `puts` and then with the others.
std::string pushed(std::vector<std::string> puts, ErrorKind& kind) {
  std::atomic<std::size_t> asked = 0;
  Registry registry{Registry::Patch::read, [&](const std::string& method) {
                      if (method == "PUT") return puts.at(asked++);
                      if (method == "HEAD") return answer(404);
                      return answer(202, "", "Location: /v2/x/blobs/uploads/1\r\n");
                    }};
  Repository repository = registry.repository(2);
  const auto upload = repository.begin_blob();
  upload->write("abc");
  try {
    upload->finish("sha256:abc");
  } catch (const Error& error) {
    kind = error.kind();
    return error.text();
  }
  return asked == puts.size() ? "" : "not asked again";
}

TEST(Push, AnUploadThatAFailureTookAlongIsBegunAnewWithItsWords) {
  ErrorKind kind{};
  EXPECT_EQ(pushed({answer(500), answer(201)}, kind), "");
  EXPECT_EQ(pushed({answer(500), failure(404, "blob upload unknown")}, kind), "received unexpected HTTP status: 500 x");
  EXPECT_EQ(kind, ErrorKind::unavailable);
  EXPECT_EQ(pushed({failure(404, "blob upload unknown")}, kind), "unknown: blob upload unknown");
  EXPECT_EQ(kind, ErrorKind::not_found);
}

TEST(Push, AFullDiskIsNotAskedAgain) {
  ErrorKind kind{};
  EXPECT_EQ(pushed({answer(507)}, kind), "received unexpected HTTP status: 507 x");
  EXPECT_EQ(kind, ErrorKind::system);
}

TEST(Push, NothingFollowsOnALineWhoseRequestHasNotEnded) {
  Registry registry{Registry::Patch::refused, [](const std::string& method) {
                      if (method == "PATCH") return failure(413, "too much");
                      return answer(method == "HEAD" ? 200 : 202, "", "Location: /v2/x/blobs/uploads/1\r\n");
                    }};
  Repository repository = registry.repository(1);
  {
    const auto upload = repository.begin_blob();
    const std::string piece(64 << 10, 'x');
    EXPECT_THROW(for (;;) upload->write(piece), Error);
  }
  EXPECT_TRUE(repository.has_blob("sha256:abc"));
}

}  // namespace
}  // namespace berth::registry
