#include "cli/http/connection.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/socket.h"
#include "cli/http/tls.h"

namespace berth::cli {

namespace {

class PlainConnection : public Connection {
 public:
  explicit PlainConnection(sys::UniqueFd fd) : fd_(std::move(fd)) {}

  std::size_t read(char* buffer, std::size_t size) override {
    const ssize_t got = sys::retry_on_eintr([&] { return ::recv(fd_.get(), buffer, size, 0); });
    if (got < 0) throw errno_error("read", "daemon connection");
    return static_cast<std::size_t>(got);
  }

  void write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t put =
          sys::retry_on_eintr([&] { return ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL); });
      if (put < 0) throw errno_error("write", "daemon connection");
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
  }

  std::optional<std::size_t> try_read(char* buffer, std::size_t size) override {
    const ssize_t got = sys::retry_on_eintr([&] { return ::recv(fd_.get(), buffer, size, MSG_DONTWAIT); });
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::nullopt;
    if (got < 0) throw errno_error("read", "daemon connection");
    return static_cast<std::size_t>(got);
  }

  std::size_t try_write(std::string_view bytes) override {
    const ssize_t put = sys::retry_on_eintr(
        [&] { return ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT); });
    if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
    if (put < 0) throw errno_error("write", "daemon connection");
    return static_cast<std::size_t>(put);
  }

  void shutdown_write() override { ::shutdown(fd_.get(), SHUT_WR); }
  sys::FdRef fd() const override { return fd_; }
  bool has_buffered() const override { return false; }
  bool is_plain() const override { return true; }

 private:
  sys::UniqueFd fd_;
};

Error no_daemon(const Endpoint& endpoint, std::string_view reason = {}) {
  std::string text = cat("Cannot connect to the Berth daemon at ", endpoint.host, ". Is berthd running?");
  if (!reason.empty()) text += cat(" (", reason, ")");
  return {ErrorKind::unavailable, std::move(text)};
}

sys::UniqueFd connect_tcp(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(endpoint.address.c_str(), endpoint.port.c_str(), &hints, &found);
  if (code != 0) throw no_daemon(endpoint, ::gai_strerror(code));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner{found, ::freeaddrinfo};
  int error_number = ECONNREFUSED;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    sys::UniqueFd fd{::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol)};
    if (fd && sys::retry_on_eintr([&] { return ::connect(fd.get(), at->ai_addr, at->ai_addrlen); }) == 0) {
      const int on = 1;
      ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      return fd;
    }
    error_number = errno;
  }
  throw no_daemon(endpoint, errno_error(error_number, "connect", "").text());
}

sys::UniqueFd connect_unix(const Endpoint& endpoint) {
  try {
    auto fd = sys::connect_unix(endpoint.path, SOCK_STREAM);
    if (fd) return std::move(*fd);
  } catch (const Error& error) {
    if (error.error_number() == EACCES) {
      throw Error{ErrorKind::forbidden,
                  cat("permission denied while trying to connect to the Berth daemon socket at ", endpoint.host)};
    }
    throw;
  }
  throw no_daemon(endpoint);
}

}  // namespace

Endpoint parse_endpoint(const std::string& host, TlsOptions tls) {
  Endpoint endpoint{.host = host, .tls = std::move(tls)};
  const std::size_t colon = host.find("://");
  if (colon == std::string::npos) {
    if (host.starts_with('/')) return parse_endpoint(cat("unix://", host), std::move(endpoint.tls));
    return parse_endpoint(cat("tcp://", host), std::move(endpoint.tls));
  }
  const std::string scheme = host.substr(0, colon);
  std::string rest = host.substr(colon + 3);
  if (scheme == "unix") {
    endpoint.path = rest.empty() ? "/run/berth.sock" : rest;
    return endpoint;
  }
  if (scheme != "tcp" && scheme != "http" && scheme != "https") {
    throw invalid(cat("unable to resolve docker endpoint: protocol ", quoted(scheme), " is not supported"));
  }
  endpoint.kind = Endpoint::Kind::tcp;
  if (scheme == "https") endpoint.tls.enabled = true;
  rest = rest.substr(0, rest.find('/'));
  const std::size_t port = rest.find(':', rest.starts_with('[') ? rest.find(']') : 0);
  endpoint.address = rest.substr(0, port);
  endpoint.port = port == std::string::npos ? (endpoint.tls.enabled ? "2376" : "2375") : rest.substr(port + 1);
  if (endpoint.address.starts_with('[')) endpoint.address = endpoint.address.substr(1, endpoint.address.size() - 2);
  if (endpoint.address.empty()) endpoint.address = "127.0.0.1";
  if (!parse_number<std::uint16_t>(endpoint.port)) throw invalid(cat("invalid host address: ", host));
  return endpoint;
}

std::unique_ptr<Connection> connect(const Endpoint& endpoint) {
  if (endpoint.kind == Endpoint::Kind::unix_socket) {
    return std::make_unique<PlainConnection>(connect_unix(endpoint));
  }
  sys::UniqueFd fd = connect_tcp(endpoint);
  if (endpoint.tls.enabled) return open_tls(std::move(fd), endpoint);
  return std::make_unique<PlainConnection>(std::move(fd));
}

}  // namespace berth::cli
