#include "base/http_client/connection.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/socket.h"

namespace berth::http_client {

namespace {

class PlainConnection : public Connection {
 public:
  PlainConnection(sys::UniqueFd fd, Deadline deadline) : fd_(std::move(fd)), deadline_(deadline) {}

  std::size_t read(char* buffer, std::size_t size) override {
    if (deadline_ != kNoDeadline) wait_ready(fd_, POLLIN, deadline_);
    const ssize_t got = sys::retry_on_eintr([&] { return ::recv(fd_.get(), buffer, size, 0); });
    if (got < 0) throw errno_error("read", "connection");
    return static_cast<std::size_t>(got);
  }

  void write(std::string_view bytes) override {
    const int flags = deadline_ == kNoDeadline ? MSG_NOSIGNAL : MSG_NOSIGNAL | MSG_DONTWAIT;
    while (!bytes.empty()) {
      if (deadline_ != kNoDeadline) wait_ready(fd_, POLLOUT, deadline_);
      const ssize_t put = sys::retry_on_eintr([&] { return ::send(fd_.get(), bytes.data(), bytes.size(), flags); });
      if (put < 0) throw errno_error("write", "connection");
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
  }

  std::optional<std::size_t> try_read(char* buffer, std::size_t size) override {
    const ssize_t got = sys::retry_on_eintr([&] { return ::recv(fd_.get(), buffer, size, MSG_DONTWAIT); });
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::nullopt;
    if (got < 0) throw errno_error("read", "connection");
    return static_cast<std::size_t>(got);
  }

  std::size_t try_write(std::string_view bytes) override {
    const ssize_t put =
        sys::retry_on_eintr([&] { return ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT); });
    if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
    if (put < 0) throw errno_error("write", "connection");
    return static_cast<std::size_t>(put);
  }

  bool is_readable() override {
    char byte;
    const ssize_t got = sys::retry_on_eintr([&] { return ::recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT); });
    return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
  }

  void shutdown_write() override { ::shutdown(fd_.get(), SHUT_WR); }
  sys::FdRef fd() const override { return fd_; }
  bool has_buffered() const override { return false; }
  bool is_plain() const override { return true; }
  void set_deadline(Deadline deadline) override { deadline_ = deadline; }

 private:
  sys::UniqueFd fd_;
  Deadline deadline_;
};

std::string numeric_address(const addrinfo& at) {
  char host[NI_MAXHOST] = "", port[NI_MAXSERV] = "";
  ::getnameinfo(at.ai_addr, at.ai_addrlen, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
  return at.ai_family == AF_INET6 ? cat("[", std::string_view{host}, "]:", std::string_view{port})
                                  : cat(std::string_view{host}, ":", std::string_view{port});
}

/// 0, or the errno.
int connect_one(const sys::UniqueFd& fd, const addrinfo& at, Deadline deadline) {
  if (deadline != kNoDeadline) sys::set_nonblocking(fd);
  if (sys::retry_on_eintr([&] { return ::connect(fd.get(), at.ai_addr, at.ai_addrlen); }) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  wait_ready(fd, POLLOUT, deadline);
  int error_number = 0;
  socklen_t size = sizeof error_number;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error_number, &size);
  return error_number;
}

/// Go writes the C library's words without a capital.
std::string lower_first(std::string text) {
  std::transform(text.begin(), text.begin() + (text.empty() ? 0 : 1), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

}  // namespace

void wait_ready(sys::FdRef fd, short events, Deadline deadline) {
  pollfd watched{.fd = fd.get(), .events = events, .revents = 0};
  for (;;) {
    int wait_ms = -1;
    if (deadline != kNoDeadline) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      wait_ms = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1 << 30));
    }
    const int ready = sys::retry_on_eintr([&] { return ::poll(&watched, 1, wait_ms); });
    if (ready < 0) throw errno_error("poll", "connection");
    if (ready > 0) return;
    if (wait_ms == 0) throw Error{ErrorKind::unavailable, "i/o timeout", ETIMEDOUT};
  }
}

std::unique_ptr<Connection> open_plain(sys::UniqueFd socket, Deadline deadline) {
  return std::make_unique<PlainConnection>(std::move(socket), deadline);
}

sys::UniqueFd dial_tcp(const std::string& host, const std::string& port, Deadline deadline) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (code != 0) {
    const std::string reason = code == EAI_NONAME ? "no such host" : lower_first(::gai_strerror(code));
    throw Error{ErrorKind::unavailable, cat("dial tcp: lookup ", host, ": ", reason)};
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner{found, ::freeaddrinfo};
  std::optional<Error> first_failure;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    sys::UniqueFd fd{::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol)};
    const int error_number = fd ? connect_one(fd, *at, deadline) : errno;
    if (error_number == 0) {
      sys::set_nonblocking(fd, false);
      const int on = 1;
      ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      return fd;
    }
    if (!first_failure) {
      first_failure.emplace(
          ErrorKind::unavailable,
          cat("dial tcp ", numeric_address(*at), ": connect: ", lower_first(std::strerror(error_number))),
          error_number);
    }
  }
  throw *first_failure;
}

}  // namespace berth::http_client
