#include "base/http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <vector>

#include "base/async/async.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/http/connection.h"
#include "base/http/parked.h"
#include "base/http/transport.h"
#include "base/sys/file.h"
#include "base/sys/socket.h"

namespace berth::http {

namespace asio = boost::asio;
using asio::use_awaitable;
using ErrorCode = boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol>;

namespace {

constexpr int kBacklog = 4096;
constexpr int kAtOnce = 64;                          ///< so many new clients; then others get their turn
constexpr std::chrono::milliseconds kDrainPoll{10};  ///< a server stops once; who waits need not be woken
/// So many clients keep their coroutine while they wait for their next request; it saves them some system calls.
constexpr std::size_t kAwake = 64;

int family_of(sys::FdRef socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw errno_error("getsockname", "");
  }
  return address.ss_family;
}

/// Looked up in /etc/group directly: a static program has no NSS.
std::optional<gid_t> find_group(const std::string& group) {
  if (const auto number = parse_number<gid_t>(group)) return number;
  const std::string table = sys::read_file_if_exists("/etc/group").value_or("");
  for (const std::string& line : split(table, '\n')) {
    const std::vector<std::string> fields = split(line, ':');
    if (fields.size() >= 3 && fields[0] == group) return parse_number<gid_t>(fields[2]);
  }
  return std::nullopt;
}

/// The socket's file, removed at the end if it is still ours.
class SocketFile {
 public:
  explicit SocketFile(std::string path) : path_(std::move(path)) {
    if (const auto stat = sys::stat_if_exists(path_)) inode_ = stat->st_ino;
  }
  SocketFile(SocketFile&& other) noexcept : path_(std::exchange(other.path_, {})), inode_(other.inode_) {}
  SocketFile& operator=(SocketFile&&) = delete;
  ~SocketFile() {
    if (path_.empty()) return;
    try {
      const auto stat = sys::stat_if_exists(path_);
      if (stat && stat->st_ino == inode_) sys::remove_file(path_);
    } catch (const Error&) {
      // Left for the next start, which replaces it.
    }
  }

 private:
  std::string path_;
  ino_t inode_ = 0;
};

}  // namespace

struct Server::Impl {
  Impl(EventLoop& event_loop, Handler& handler, ServerOptions options, const Logger& log)
      : loop(event_loop),
        logger(log),
        acceptors(event_loop),
        clients(event_loop),
        pumps(event_loop),
        parked(event_loop),
        context{.handler = handler,
                .options = std::move(options),
                .logger = log,
                .pumps = pumps,
                .loop = event_loop,
                .park = [this](Transport& transport) { return park(transport); }} {
    const auto report = [this](const std::string& name, const std::exception& error) {
      logger.error("http ", name, ": ", std::string_view{error.what()});
    };
    acceptors.on_error(report);
    clients.on_error(report);
    pumps.on_error(report);
    acceptors.spawn("parked connections", wake());
  }

  void listen(sys::UniqueFd socket, const std::optional<TlsOptions>& tls) {
    const int family = family_of(socket);
    auto context_of_tls = tls && family != AF_UNIX ? std::make_shared<TlsContext>(*tls) : nullptr;
    Acceptor acceptor{loop};
    acceptor.assign(asio::generic::stream_protocol{family, 0}, socket.get());
    (void)socket.release();
    acceptor.non_blocking(true);
    acceptors.spawn("accept", accept(std::move(acceptor), family, std::move(context_of_tls)));
  }

  Task<void> accept(Acceptor acceptor, int family, std::shared_ptr<TlsContext> tls) {
    for (;;) {
      ErrorCode code;
      co_await acceptor.async_wait(Acceptor::wait_read, asio::redirect_error(use_awaitable, code));
      if (code == asio::error::operation_aborted) co_return;
      int failure = 0;
      for (int i = 0; i < kAtOnce && failure == 0; ++i) {
        sys::UniqueFd client{::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
        failure = client ? 0 : errno;
        if (client) welcome(std::move(client), family, tls.get());
      }
      if (failure == 0 || failure == EAGAIN || failure == ECONNABORTED || failure == EINTR) continue;
      // No descriptors or no memory left: others must free some first.
      logger.error("http: accept: ", std::string_view{std::strerror(failure)});
      co_await async::sleep_for(std::chrono::milliseconds{100});
    }
  }

  /// A new client has said nothing yet, except with TLS, where it wants to be greeted.
  void welcome(sys::UniqueFd client, int family, const TlsContext* tls) {
    try {
      if (family != AF_UNIX) set_tcp_options(client);
      if (tls == nullptr) return parked.add(std::move(client), family);
      Socket socket{loop, {family, 0}, client.get()};
      (void)client.release();
      clients.spawn("client", serve(tls->make_transport(std::move(socket), loop)));
    } catch (const std::exception& error) {
      logger.error("http: accept: ", std::string_view{error.what()});
    }
  }

  Task<void> stop_listening() {
    co_await acceptors.close();
    socket_files.clear();
    parked.close_all();
  }

  Task<void> wake() {
    for (;;) {
      for (Socket& socket : co_await parked.next()) {
        clients.spawn("client", serve(make_plain_transport(std::move(socket))));
      }
    }
  }

  bool park(Transport& transport) {
    if (clients.size() <= kAwake) return false;
    std::optional<sys::UniqueFd> socket = transport.release_plain();
    if (!socket) return false;
    const int family = family_of(*socket);
    parked.add(std::move(*socket), family);
    return true;
  }

  static void set_tcp_options(sys::FdRef socket) {
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);  // finds dead `logs -f` peers
  }

  Task<void> serve(std::unique_ptr<Transport> transport) {
    Connection connection{context, std::move(transport)};
    co_await connection.run();
  }

  EventLoop& loop;
  const Logger& logger;
  async::Nursery acceptors, clients, pumps;
  Parked parked;
  ConnectionContext context;
  std::vector<SocketFile> socket_files;
};

Server::Server(EventLoop& loop, Handler& handler, ServerOptions options, const Logger& logger)
    : impl_(std::make_unique<Impl>(loop, handler, std::move(options), logger)) {}
Server::~Server() = default;

void Server::listen_unix(const std::string& path, const std::string& group) {
  if (sys::exists(path)) {
    if (sys::connect_unix(path, SOCK_STREAM)) {
      throw conflict(cat("can't create unix socket ", path, ": another process listens there"));
    }
    sys::remove_file(path);
  }
  sys::UniqueFd socket = sys::listen_unix(path, SOCK_STREAM, group.empty() ? 0660 : 0600, kBacklog);
  impl_->socket_files.emplace_back(path);
  if (!group.empty()) {
    const std::optional<gid_t> gid = find_group(group);
    if (gid) {
      if (::chown(path.c_str(), static_cast<uid_t>(-1), *gid) != 0) throw errno_error("chown", path);
    } else if (group == "docker") {
      impl_->logger.warn("could not change group ", path, " to docker: group docker not found");
    } else {
      throw invalid(cat("group ", group, " not found"));
    }
    if (::chmod(path.c_str(), 0660) != 0) throw errno_error("chmod", path);
  }
  impl_->listen(std::move(socket), std::nullopt);
}

std::uint16_t Server::listen_tcp(const std::string& host, std::uint16_t port, const std::optional<TlsOptions>& tls) {
  ErrorCode code;
  const std::string name = host.empty() ? "0.0.0.0" : host == "localhost" ? "127.0.0.1" : host;
  const asio::ip::address address = asio::ip::make_address(name, code);
  if (code) throw invalid(cat("listen tcp: invalid IP address: ", host));
  const asio::ip::tcp::endpoint endpoint{address, port};
  sys::UniqueFd socket{::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!socket) throw errno_error("socket", host);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const std::string object = cat("tcp ", host, ":", port);
  if (::bind(socket.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0) {
    throw errno_error("bind", object);
  }
  if (::listen(socket.get(), kBacklog) != 0) throw errno_error("listen", object);
  asio::ip::tcp::endpoint bound;
  socklen_t size = static_cast<socklen_t>(bound.capacity());
  if (::getsockname(socket.get(), bound.data(), &size) != 0) throw errno_error("getsockname", object);
  bound.resize(size);
  impl_->listen(std::move(socket), tls);
  return bound.port();
}

void Server::listen_fd(sys::UniqueFd socket, const std::optional<TlsOptions>& tls) {
  impl_->listen(std::move(socket), tls);
}

std::size_t Server::connections() const { return impl_->clients.size() + impl_->parked.size(); }

Task<void> Server::drain(std::chrono::milliseconds most) {
  impl_->context.draining = true;
  co_await impl_->stop_listening();
  const auto deadline = std::chrono::steady_clock::now() + most;
  while (impl_->context.busy > 0 && std::chrono::steady_clock::now() < deadline) co_await async::sleep_for(kDrainPoll);
}

Task<void> Server::close() {
  co_await impl_->stop_listening();
  co_await impl_->clients.close();
  co_await impl_->pumps.close();
}

}  // namespace berth::http
