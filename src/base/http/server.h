#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/async/task.h"
#include "base/core/log.h"
#include "base/http/handler.h"
#include "base/sys/fd.h"

namespace berth::http {

/// dockerd's --tls, --tlsverify, --tlscacert, --tlscert, --tlskey.
struct TlsOptions {
  std::string ca_file, cert_file, key_file;
  bool verify = false;  ///< clients need a certificate signed by ca_file
};

struct ServerOptions {
  std::string common_headers;  ///< on every answer: "Name: value\r\n" each
  std::uint32_t head_limit_bytes = 256 << 10;
  std::chrono::milliseconds head_timeout{30'000};  ///< from a request's first byte to the end of its head
  std::chrono::milliseconds body_timeout{60'000};  ///< longest silence within a body that is read as a whole
  std::function<void()> on_answered;               ///< after each request
};

/// An HTTP/1.1 server on any number of sockets, all on the loop's one thread. A connection that waits for its next
/// request holds no buffer, and where there are many, nothing but its descriptor. Handler, logger and loop must outlive
/// it.
class Server {
 public:
  Server(EventLoop& loop, Handler& handler, ServerOptions options, const Logger& logger);
  ~Server();  ///< close() must have ended, or the loop must not run any more

  /// Listens at `path` with mode 0660. A socket file that nobody serves is replaced; throws conflict when somebody
  /// does. `group` (a name or a number) gets the socket; dockerd's default "docker" may be absent, which is logged;
  /// another absent group is an error. "" changes nothing. The file is removed by close().
  void listen_unix(const std::string& path, const std::string& group);
  /// `host` is an IP address or "localhost" ("" is every address). Returns the port, which port 0 lets the kernel
  /// choose. TLS is spoken when `tls` is given; only then anything of OpenSSL is set up.
  std::uint16_t listen_tcp(const std::string& host, std::uint16_t port, const std::optional<TlsOptions>& tls);
  /// An inherited socket (systemd's fd://), listening already.
  void listen_fd(sys::UniqueFd socket, const std::optional<TlsOptions>& tls = std::nullopt);

  std::size_t connections() const;
  /// Accepts no more, lets go of idle clients that say nothing, and waits until what runs has been answered, but not
  /// longer than `most`. close() follows.
  Task<void> drain(std::chrono::milliseconds most);
  /// Accepts no more, cancels what runs, and waits for it.
  Task<void> close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::http
