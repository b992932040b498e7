#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/http/message.h"

namespace berth::http {

/// Until a hijacked client on this machine has read what was sent, two seconds at most. Some clients (docker-py) read
/// the head through a buffer and what follows from the socket beneath: with an engine that is quick, the first output
/// would get lost between the two. For what begins only then: whoever has read the head may go on and start a
/// container.
Task<void> until_read(sys::FdRef socket);

/// The way back to the client. Either send(), or begin() and any number of write(), or hijack(), once for a request.
/// A stream ends well when the handler returns; when it throws after begin(), the connection is cut, so that the
/// client sees that something is missing.
class ResponseStream {
 public:
  virtual ~ResponseStream() = default;

  virtual Task<void> send(Response response) = 0;
  /// Sends the head at once. The body follows in chunks (or up to the end of the connection for HTTP/1.0).
  virtual Task<void> begin(int status, std::string content_type, std::vector<Header> headers = {}) = 0;
  /// Waits while the client does not read. Throws cancelled when it has gone.
  virtual Task<void> write(std::string_view bytes) = 0;
  /// The same for a body whose length is known: exactly so much must be written. `head.body` is not looked at.
  virtual Task<void> begin_sized(Response head, std::uint64_t size) = 0;
  /// begin() with status 200 and write() for a thread that may block and writes to the client's socket itself; the head
  /// leaves with its first bytes. Until take_back_stream(), by when the thread must have ended, nothing else here but
  /// begun() may be called. nullptr where that cannot be (TLS, HEAD).
  // NOLINTNEXTLINE(performance-unnecessary-value-param): those who override it keep both
  virtual std::shared_ptr<StoppableSink> lend_stream(std::string /*content_type*/, std::vector<Header> /*headers*/) {
    return nullptr;
  }
  virtual void take_back_stream() {}
  /// A whole answer whose body is `size` bytes of a file from `offset` on; head.body is not looked at. With HEAD the
  /// length is told and nothing sent.
  virtual Task<void> send_file(Response head, sys::FdRef file, std::uint64_t offset, std::uint64_t size) = 0;
  /// True as soon as anything of the answer may have left.
  virtual bool begun() const = 0;

  /// Runs `work` and cancels it when the client closes its side: for handlers that wait for something else than the
  /// client (wait, logs -f, events). Reads the rest of the request's body first. Throws cancelled then.
  virtual Task<void> while_connected(Task<void> work) = 0;

  /// Ends HTTP on this connection: "101 UPGRADED" if the request has an Upgrade header, else Docker's old "200 OK"
  /// without length. Unread body is taken for early data.
  /// Spec: docker-engine-api-v1.51.yaml, ContainerAttach, "Hijacking" and "Upgrade".
  virtual Task<Hijacked> hijack(std::string content_type) = 0;
  /// The same for a WebSocket: the socket carries what is in the client's frames, and what is written to it goes out in
  /// binary ones. Both ends may close.
  virtual Task<Hijacked> accept_websocket(WebSocketOffer offer) = 0;
};

class Handler {
 public:
  virtual ~Handler() = default;
  virtual Task<void> handle(Request request, ResponseStream& out) = 0;
};

}  // namespace berth::http
