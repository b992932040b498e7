#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/sys/fd.h"

/// Blocking byte streams to the daemon. A command lives for milliseconds, so there is no event loop here, and no TLS
/// context unless TLS is asked for (making one costs more than the whole of a short command).
namespace berth::cli {

class Connection {
 public:
  virtual ~Connection() = default;
  virtual std::size_t read(char* buffer, std::size_t size) = 0;  ///< 0 at the end
  virtual void write(std::string_view bytes) = 0;                ///< all of them, or throws
  /// Tells the peer that no more comes, while its own bytes still arrive.
  virtual void shutdown_write() = 0;
  /// Without waiting: nullopt when nothing is there yet, 0 at the end.
  virtual std::optional<std::size_t> try_read(char* buffer, std::size_t size) = 0;
  /// Without waiting: how many bytes were taken, perhaps none.
  virtual std::size_t try_write(std::string_view bytes) = 0;
  virtual sys::FdRef fd() const = 0;            ///< for poll(2)
  virtual bool has_buffered() const = 0;        ///< read() has bytes although poll would not say so
  /// The descriptor carries the bytes as they are, so that the kernel may move them (splice).
  virtual bool is_plain() const = 0;
};

struct TlsOptions {
  bool enabled = false, verify = false;
  std::string ca_file, certificate_file, key_file;
};

/// Where the daemon listens: "unix:///run/x.sock", "tcp://host:2376", "fd://" is not for clients.
struct Endpoint {
  enum class Kind { unix_socket, tcp } kind = Kind::unix_socket;
  std::string host;  ///< as given, for messages
  std::string path;  ///< of the socket
  std::string address, port;
  TlsOptions tls;
};

/// Throws invalid for what is no address.
Endpoint parse_endpoint(const std::string& host, TlsOptions tls);

/// Throws unavailable, "Cannot connect to the Berth daemon at …", when nobody listens.
std::unique_ptr<Connection> connect(const Endpoint& endpoint);

}  // namespace berth::cli
