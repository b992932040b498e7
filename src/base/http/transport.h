#pragma once

#include <array>
#include <boost/asio/generic/stream_protocol.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "base/async/async.h"
#include "base/core/error.h"
#include "base/http/server.h"

namespace berth::http {

using Socket = boost::asio::generic::stream_protocol::socket;

/// Up to three pieces that leave in one system call.
using Pieces = std::array<std::string_view, 3>;

/// Bytes to and from a client, with TLS or without. One reader and one writer at a time.
class Transport {
 public:
  virtual ~Transport() = default;

  virtual Task<void> open() = 0;  ///< TLS handshake; throws when it fails
  /// Until there is something to read, at no cost in memory. May return early.
  virtual Task<void> wait_idle() = 0;
  /// 0 when the client has closed its side or the connection is broken. Throws only when cancelled.
  virtual Task<std::size_t> read_some(char* buffer, std::size_t size) = 0;
  /// Throws cancelled when the client is gone.
  virtual Task<void> write(Pieces pieces) = 0;
  /// Bytes of a file. Throws cancelled when the client is gone, system when the file is shorter.
  virtual Task<void> send_file(sys::FdRef file, std::uint64_t offset, std::uint64_t size) = 0;
  /// Whether the client's socket carries plain bytes, which a thread may read and write itself.
  virtual bool can_lend() const { return false; }
  /// The socket for a thread, off the loop, until as many calls of take_back(). Meanwhile only write() may be called,
  /// if the thread does not write.
  virtual sys::UniqueFd lend() { throw system_error("http: this connection is not to be lent"); }
  virtual void take_back() {}
  virtual void shutdown_send() = 0;
  virtual void shutdown_receive() = 0;  ///< who reads finds the end, now or later
  /// Gives the connection away while nothing is under way, if there is no more to it than its socket.
  virtual std::optional<sys::UniqueFd> release_plain() { return std::nullopt; }
  /// Gives the connection away as a blocking stream socket; with TLS one end of a pair, which a task of `pumps` serves.
  virtual sys::UniqueFd hand_over(async::Nursery& pumps) = 0;
};

/// Gives a connected socket of any family to the loop.
void put_on_loop(Socket& socket, sys::UniqueFd fd);
std::unique_ptr<Transport> make_plain_transport(Socket socket);

/// Certificates and keys, loaded. Throws invalid with dockerd's texts when a file is no good.
class TlsContext {
 public:
  explicit TlsContext(const TlsOptions& options);
  ~TlsContext();
  std::unique_ptr<Transport> make_transport(Socket socket, EventLoop& loop) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::http
