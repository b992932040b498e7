#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/error.h"
#include "base/http_client/reply.h"
#include "base/http_client/tls.h"
#include "registry/client/proxy.h"
#include "registry/client/url.h"

namespace berth::registry {

/// A request whose answer's body is read as it comes.
struct Call {
  std::string method = "GET";
  Url url;
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};    ///< sent with its length; GET and HEAD have none
  bool chunked = false;  ///< the body follows: see Exchange::send
};

/// Request line, header and body. Through a proxy that sees it (http) the request names the whole address.
std::string request_text(const Call& call, const Proxies& proxies);

class Exchange;

/// Connections to a few servers, kept from one request to the next. Safe from several threads. Silence ends a request,
/// and so does a trickle: whatever takes long must move.
class Connections {
 public:
  Connections(Proxies proxies, std::chrono::milliseconds silence);
  ~Connections();

  /// Sends the request, and its body if there is one. Throws unavailable (nobody there, silence, a cut line), with Go's
  /// words behind `Get "URL": `.
  std::unique_ptr<Exchange> start(const Call& call, const http_client::TlsOptions& tls);
  /// Waits, unless interrupted. Throws cancelled then.
  void pause(std::chrono::milliseconds time);
  /// From any thread: what waits for a server, now or later, throws cancelled.
  void interrupt();
  std::chrono::milliseconds silence() const { return silence_; }

 private:
  friend class Exchange;
  class Tracked;
  struct Shared;
  std::unique_ptr<http_client::Connection> open(const Url& url, const http_client::TlsOptions& tls);
  std::unique_ptr<http_client::Connection> take_idle(const Url& url);
  void keep(const Url& url, std::unique_ptr<http_client::Connection> connection);

  const Proxies proxies_;
  const std::chrono::milliseconds silence_;
  std::shared_ptr<Shared> shared_;
};

/// One request under way and its answer. The connection goes back when both have come to their end.
class Exchange {
 public:
  Exchange(Connections& owner, const Call& call, std::unique_ptr<http_client::Connection> connection);
  ~Exchange();

  /// One chunk of a chunked body. False when the server has answered before the body's end, or has left: receive() says
  /// which.
  bool send(std::string_view bytes);
  bool end_body();
  /// Throws unavailable, also for an answer that is none.
  http_client::Reply& receive(bool head_only);
  /// The answer's body. Throws unavailable when it is cut, system when it is longer than `limit`.
  std::string read_all(std::size_t limit);
  http_client::Reply& reply() { return reply_; }
  const Url& url() const { return url_; }

 private:
  friend class Connections;
  bool write(std::string_view bytes);
  Error told(const Error& error, ErrorKind kind) const;  ///< with Go's words in front

  Connections& owner_;
  Url url_;
  std::string verb_;
  http_client::Reply reply_;
  bool unfinished_ = false;  ///< the server may take what is written next for more of this request
};

}  // namespace berth::registry
