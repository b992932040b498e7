#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/sys/fd.h"

/// Blocking byte streams to a server: for programs that live for milliseconds and for the daemon's pool threads. No
/// event loop, and no TLS context unless TLS is asked for (making one costs more than the whole of a short command).
namespace berth::http_client {

/// When all of a connection's work must be done. Past it every call throws unavailable with ETIMEDOUT.
using Deadline = std::chrono::steady_clock::time_point;
inline constexpr Deadline kNoDeadline = Deadline::max();

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
  /// Without waiting: whether read() would return at once, with bytes or with the end.
  virtual bool is_readable() = 0;
  virtual sys::FdRef fd() const = 0;      ///< for poll(2)
  virtual bool has_buffered() const = 0;  ///< read() has bytes although poll would not say so
  /// The descriptor carries the bytes as they are, so that the kernel may move them (splice).
  virtual bool is_plain() const = 0;
  /// Another end for what is still to come. Only for connections that were opened with one.
  virtual void set_deadline(Deadline deadline) = 0;
};

/// Over a connected stream socket.
std::unique_ptr<Connection> open_plain(sys::UniqueFd socket, Deadline deadline = kNoDeadline);

/// Connects to the first address of `host` that answers. Throws unavailable with Go's words, "dial tcp
/// 127.0.0.1:1: connect: connection refused", and the errno (0 when the name is not known).
sys::UniqueFd dial_tcp(const std::string& host, const std::string& port, Deadline deadline = kNoDeadline);

/// Until poll(2) reports one of `events` or an error on `fd`.
void wait_ready(sys::FdRef fd, short events, Deadline deadline);

}  // namespace berth::http_client
