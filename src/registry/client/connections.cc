#include "registry/client/connections.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <condition_variable>
#include <set>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::registry {

namespace {

constexpr std::chrono::seconds kDialPatience{15};
constexpr std::size_t kMostIdle = 16;
constexpr std::int64_t kLeastBytesPerSecond = 64;

/// How fast a line moves while somebody waits for it.
class Pace {
 public:
  using Clock = std::chrono::steady_clock;

  /// Throws when that was next to nothing for as long as `silence`.
  void add(std::size_t bytes, Clock::duration waited, std::chrono::milliseconds silence) {
    bytes_ += static_cast<std::int64_t>(bytes);
    waited_ += waited;
    if (waited_ < silence) return;
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(waited_).count();
    if (bytes_ * 1000 < kLeastBytesPerSecond * milliseconds) {
      throw Error{ErrorKind::unavailable,
                  cat("the server is too slow: ", bytes_, " bytes in ", milliseconds / 1000, " s"), ETIMEDOUT};
    }
    *this = {};
  }

 private:
  std::int64_t bytes_ = 0;
  Clock::duration waited_{};
};

std::string origin_of(const Url& url) { return cat(url.scheme, "://", url.host, ":", url.port); }

/// "Get" for GET, as Go's client names the method.
std::string verb_of(const std::string& method) { return cat(method.substr(0, 1), to_lower(method.substr(1))); }

}  // namespace

std::string request_text(const Call& call, const Proxies& proxies) {
  const auto ends_early = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; };
  if (std::ranges::any_of(call.url.text(), ends_early)) {
    throw invalid(cat("parse ", quoted(call.url.text()), ": net/url: invalid control character in URL"));
  }
  const auto proxy = call.url.scheme == "http" ? proxy_for(proxies, call.url) : std::nullopt;
  std::string head =
      cat(call.method, " ", proxy ? call.url.text() : call.url.target, " HTTP/1.1\r\nHost: ", call.url.authority,
          "\r\nUser-Agent: berth/", BERTH_VERSION, " os/linux\r\n");
  if (proxy && !proxy->authorization.empty()) head += cat("Proxy-Authorization: ", proxy->authorization, "\r\n");
  for (const auto& [name, value] : call.headers) {
    if (value.find_first_of("\r\n") != std::string::npos)
      throw invalid(cat("invalid header field value for ", quoted(name)));
    head += cat(name, ": ", value, "\r\n");
  }
  if (call.chunked)
    head += "Transfer-Encoding: chunked\r\n";
  else if (call.method != "GET" && call.method != "HEAD")
    head += cat("Content-Length: ", call.body.size(), "\r\n");
  return cat(head, "\r\n", call.body);
}

struct Connections::Shared {
  std::mutex mutex;
  std::condition_variable woken;
  bool interrupted = false;
  std::set<int> live;  ///< descriptors of connections that somebody may wait for
  std::multimap<std::string, std::unique_ptr<http_client::Connection>> idle;
};

/// Knows when it is silent or too slow for too long, and can be interrupted from another thread.
class Connections::Tracked final : public http_client::Connection {
 private:
  using Clock = Pace::Clock;

  /// `work` moves some bytes and returns how many.
  template <class Work>
  std::size_t watched(Pace& pace, Work work) {
    const Clock::time_point before = Clock::now();
    try {
      const std::size_t moved = work(before + silence_);
      if (moved > 0) pace.add(moved, Clock::now() - before, silence_);
      return moved;
    } catch (const Error& error) {
      const std::lock_guard lock{shared_->mutex};
      check_open(*shared_);
      throw Error{ErrorKind::unavailable, error.text(), error.error_number()};
    }
  }

  std::size_t write_some(std::string_view bytes, http_client::Deadline deadline) {
    for (;;) {
      // Nobody answers what was not asked yet, but for a refusal or the end; and who has left takes nothing more.
      if (inner_->is_readable()) throw Error{ErrorKind::unavailable, "the server ended the request"};
      if (const std::size_t put = inner_->try_write(bytes); put > 0) return put;
      http_client::wait_ready(inner_->fd(), POLLIN | POLLOUT, deadline);
    }
  }

 public:
  Tracked(std::shared_ptr<Shared> shared, std::unique_ptr<http_client::Connection> inner,
          std::chrono::milliseconds silence)
      : shared_(std::move(shared)), inner_(std::move(inner)), silence_(silence) {
    const std::lock_guard lock{shared_->mutex};
    check_open(*shared_);
    shared_->live.insert(inner_->fd().get());
  }
  ~Tracked() override {
    const std::lock_guard lock{shared_->mutex};
    shared_->live.erase(inner_->fd().get());
  }

  static void check_open(const Shared& shared) {
    if (shared.interrupted) throw Error{ErrorKind::cancelled, "context canceled"};
  }

  std::size_t read(char* buffer, std::size_t size) override {
    const std::size_t got = watched(reading_, [&](http_client::Deadline deadline) {
      inner_->set_deadline(deadline);
      return inner_->read(buffer, size);
    });
    if (got == 0) {  // an interruption looks like the end
      const std::lock_guard lock{shared_->mutex};
      check_open(*shared_);
    }
    return got;
  }
  void write(std::string_view bytes) override {
    reading_ = {};  // a new question
    while (!bytes.empty()) {
      bytes.remove_prefix(
          watched(writing_, [&](http_client::Deadline deadline) { return write_some(bytes, deadline); }));
    }
  }
  std::optional<std::size_t> try_read(char* buffer, std::size_t size) override {
    return inner_->try_read(buffer, size);
  }
  std::size_t try_write(std::string_view bytes) override { return inner_->try_write(bytes); }
  bool is_readable() override { return inner_->is_readable(); }
  void shutdown_write() override { inner_->shutdown_write(); }
  sys::FdRef fd() const override { return inner_->fd(); }
  bool has_buffered() const override { return inner_->has_buffered(); }
  bool is_plain() const override { return inner_->is_plain(); }
  void set_deadline(http_client::Deadline deadline) override { inner_->set_deadline(deadline); }

 private:
  std::shared_ptr<Shared> shared_;
  std::unique_ptr<http_client::Connection> inner_;
  const std::chrono::milliseconds silence_;
  Pace reading_, writing_;
};

Connections::Connections(Proxies proxies, std::chrono::milliseconds silence)
    : proxies_(std::move(proxies)), silence_(silence), shared_(std::make_shared<Shared>()) {}

Connections::~Connections() {
  decltype(shared_->idle) idle;  // closed without the lock, which their destructors take
  const std::lock_guard lock{shared_->mutex};
  idle.swap(shared_->idle);
}

std::unique_ptr<http_client::Connection> Connections::take_idle(const Url& url) {
  for (;;) {
    std::unique_ptr<http_client::Connection> connection;
    {
      const std::lock_guard lock{shared_->mutex};
      const auto at = shared_->idle.find(origin_of(url));
      if (at == shared_->idle.end()) return nullptr;
      connection = std::move(at->second);
      shared_->idle.erase(at);
    }
    char byte;
    // Nothing is owed on an idle connection: whatever can be read, the end included, makes it useless.
    try {
      if (!connection->try_read(&byte, 1)) return connection;
    } catch (const Error&) {
      // Broken: the next one.
    }
  }
}

std::unique_ptr<http_client::Connection> Connections::open(const Url& url, const http_client::TlsOptions& tls) {
  const http_client::Deadline deadline =
      std::chrono::steady_clock::now() + std::min<std::chrono::milliseconds>(kDialPatience, silence_);
  return std::make_unique<Tracked>(shared_, open_stream(proxies_, url, tls, deadline), silence_);
}

void Connections::keep(const Url& url, std::unique_ptr<http_client::Connection> connection) {
  std::unique_ptr<http_client::Connection> too_many;  // closed without the lock, which its destructor takes
  const std::lock_guard lock{shared_->mutex};
  if (shared_->interrupted || shared_->idle.size() >= kMostIdle) {
    too_many = std::move(connection);
    return;
  }
  shared_->idle.emplace(origin_of(url), std::move(connection));
}

std::unique_ptr<Exchange> Connections::start(const Call& call, const http_client::TlsOptions& tls) {
  const std::string head = request_text(call, proxies_);
  if (auto idle = take_idle(call.url)) {
    try {
      idle->write(head);
      return std::make_unique<Exchange>(*this, call, std::move(idle));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) throw;
      // The server closed it in this moment: a new one.
    }
  }
  std::unique_ptr<http_client::Connection> fresh;
  try {
    fresh = open(call.url, tls);
  } catch (const Error& error) {
    throw Error{error.kind(), cat(verb_of(call.method), " ", quoted(call.url.text()), ": ", error.text()),
                error.error_number()};
  }
  auto exchange = std::make_unique<Exchange>(*this, call, std::move(fresh));
  exchange->write(head);  // an answer that comes before its end is one, too
  return exchange;
}

void Connections::pause(std::chrono::milliseconds time) {
  std::unique_lock lock{shared_->mutex};
  shared_->woken.wait_for(lock, time, [this] { return shared_->interrupted; });
  Tracked::check_open(*shared_);
}

void Connections::interrupt() {
  const std::lock_guard lock{shared_->mutex};
  shared_->interrupted = true;
  for (const int fd : shared_->live) ::shutdown(fd, SHUT_RDWR);
  shared_->woken.notify_all();
}

Exchange::Exchange(Connections& owner, const Call& call, std::unique_ptr<http_client::Connection> connection)
    : owner_(owner),
      url_(call.url),
      verb_(verb_of(call.method)),
      reply_(std::move(connection)),
      unfinished_(call.chunked) {}

Exchange::~Exchange() {
  if (unfinished_) return;
  if (auto connection = reply_.release_idle()) owner_.keep(url_, std::move(connection));
}

Error Exchange::told(const Error& error, ErrorKind kind) const {
  return {kind, cat(verb_, " ", quoted(url_.text()), ": ", error.text()), error.error_number()};
}

bool Exchange::write(std::string_view bytes) {
  try {
    reply_.connection().write(bytes);
    return true;
  } catch (const Error& error) {
    unfinished_ = true;
    if (error.kind() != ErrorKind::unavailable) throw;
    if (!reply_.connection().is_readable()) throw told(error, error.kind());
    return false;
  }
}

bool Exchange::send(std::string_view bytes) {
  if (bytes.empty()) return true;  // an empty chunk would be the end
  std::string frame;
  frame.reserve(bytes.size() + 16);
  char size[16];
  const auto end = std::to_chars(size, size + sizeof size, bytes.size(), 16).ptr;
  frame.append(size, end).append("\r\n").append(bytes).append("\r\n");
  return write(frame);
}

bool Exchange::end_body() {
  const bool whole = write("0\r\n\r\n");
  unfinished_ = !whole;
  return whole;
}

http_client::Reply& Exchange::receive(bool head_only) {
  try {
    reply_.receive_head(head_only);
    return reply_;
  } catch (const Error& error) {
    throw told(error, error.kind() == ErrorKind::cancelled ? ErrorKind::cancelled : ErrorKind::unavailable);
  }
}

std::string Exchange::read_all(std::size_t limit) {
  try {
    return reply_.read_all(limit);
  } catch (const Error& error) {
    throw told(error, error.kind());
  }
}

}  // namespace berth::registry
