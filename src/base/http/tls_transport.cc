#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/http/transport.h"
#include "base/sys/socket.h"

namespace berth::http {

namespace asio = boost::asio;
namespace ssl = asio::ssl;
using asio::use_awaitable;
using ErrorCode = boost::system::error_code;
using Stream = ssl::stream<Socket>;
using Local = asio::local::stream_protocol::socket;

namespace {

constexpr std::chrono::seconds kHandshakeTimeout{30};
constexpr std::chrono::seconds kGoodbyeTimeout{1};
constexpr std::size_t kPumpBytes = 16 << 10;

[[noreturn]] void throw_cancelled() { throw Error{ErrorKind::cancelled, "context canceled"}; }

/// Ends when the client has gone. One that has only said close_notify still wants the output.
Task<void> client_to_engine(Stream& client, Local& engine) {
  std::string buffer(kPumpBytes, '\0');
  ErrorCode code;
  for (;;) {
    const std::size_t count =
        co_await client.async_read_some(asio::buffer(buffer), asio::redirect_error(use_awaitable, code));
    if (code) break;
    co_await asio::async_write(engine, asio::buffer(buffer, count), asio::redirect_error(use_awaitable, code));
    if (code) break;
  }
  if (code == asio::error::eof) {
    ErrorCode ignored;
    engine.shutdown(Local::shutdown_send, ignored);  // the client's end of file goes on to the container
    co_await client.next_layer().async_wait(Socket::wait_read, asio::redirect_error(use_awaitable, ignored));
  } else if (code == asio::error::broken_pipe) {
    co_await async::sleep_for(std::chrono::nanoseconds::max());  // the engine reads no more, but may still write
  }
}

Task<void> engine_to_client(Local& engine, Stream& client) {
  std::string buffer(kPumpBytes, '\0');
  for (;;) {
    ErrorCode code;
    const std::size_t count =
        co_await engine.async_read_some(asio::buffer(buffer), asio::redirect_error(use_awaitable, code));
    if (code) break;
    co_await asio::async_write(client, asio::buffer(buffer, count), asio::redirect_error(use_awaitable, code));
    if (code) co_return;
  }
}

/// close_notify, and the client's answer to it.
Task<void> say_goodbye(Stream& client) {
  ErrorCode code;
  co_await client.async_shutdown(asio::redirect_error(use_awaitable, code));
}

/// Lives as long as the engine's end: when that is closed the session is over.
Task<void> pump(std::unique_ptr<Stream> client, Local engine) {
  using namespace asio::experimental::awaitable_operators;
  co_await (client_to_engine(*client, engine) || engine_to_client(engine, *client));
  co_await (say_goodbye(*client) || async::sleep_for(kGoodbyeTimeout));
}

class TlsTransport final : public Transport {
 public:
  TlsTransport(Socket socket, ssl::context& context, EventLoop& loop)
      : stream_(std::make_unique<Stream>(std::move(socket), context)), loop_(loop) {}

  Task<void> open() override {
    using namespace asio::experimental::awaitable_operators;
    const auto first = co_await (handshake() || async::sleep_for(kHandshakeTimeout));
    if (first.index() == 1) throw Error{ErrorKind::cancelled, "TLS handshake timed out"};
    if (const std::string& failure = std::get<0>(first); !failure.empty()) {
      throw Error{ErrorKind::cancelled, cat("TLS handshake error: ", failure)};
    }
  }
  Task<void> wait_idle() override { co_return; }  // OpenSSL may hold decrypted bytes that no poll shows

  Task<std::size_t> read_some(char* buffer, std::size_t size) override {
    ErrorCode code;
    const std::size_t count =
        co_await stream_->async_read_some(asio::buffer(buffer, size), asio::redirect_error(use_awaitable, code));
    if (code == asio::error::operation_aborted) throw_cancelled();
    co_return code ? 0 : count;
  }

  Task<void> write(Pieces pieces) override {
    // TLS makes one record of each buffer: join small pieces.
    std::string joined;
    for (const std::string_view piece : pieces) joined += piece;
    ErrorCode code;
    co_await asio::async_write(*stream_, asio::buffer(joined), asio::redirect_error(use_awaitable, code));
    if (code) throw Error{ErrorKind::cancelled, "client disconnected"};
  }

  Task<void> send_file(sys::FdRef file, std::uint64_t offset, std::uint64_t size) override {
    std::string piece(std::min<std::uint64_t>(size, 128 << 10), '\0');
    while (size > 0) {
      const ssize_t got = sys::retry_on_eintr([&] {
        return ::pread(file.get(), piece.data(), std::min<std::uint64_t>(size, piece.size()),
                       static_cast<off_t>(offset));
      });
      if (got <= 0) throw system_error("pread: the file is shorter than it was");
      co_await write({std::string_view{piece}.substr(0, static_cast<std::size_t>(got)), {}, {}});
      offset += static_cast<std::uint64_t>(got);
      size -= static_cast<std::uint64_t>(got);
    }
  }

  void shutdown_send() override {
    ErrorCode code;
    stream_->next_layer().shutdown(Socket::shutdown_send, code);
  }

  void shutdown_receive() override {
    ErrorCode code;
    stream_->next_layer().shutdown(Socket::shutdown_receive, code);
  }

  sys::UniqueFd hand_over(async::Nursery& pumps) override {
    auto [ours, theirs] = sys::socket_pair(SOCK_STREAM);
    Local engine{loop_};
    engine.assign(asio::local::stream_protocol{}, ours.get());
    (void)ours.release();
    pumps.spawn("hijacked TLS", pump(std::move(stream_), std::move(engine)));
    return std::move(theirs);
  }

 private:
  Task<std::string> handshake() {
    ErrorCode code;
    co_await stream_->async_handshake(ssl::stream_base::server, asio::redirect_error(use_awaitable, code));
    co_return code ? code.message() : "";
  }

  std::unique_ptr<Stream> stream_;
  EventLoop& loop_;
};

}  // namespace

struct TlsContext::Impl {
  ssl::context context{ssl::context::tls_server};
};

TlsContext::TlsContext(const TlsOptions& options) : impl_(std::make_unique<Impl>()) {
  ssl::context& context = impl_->context;
  ErrorCode code;
  context.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 | ssl::context::no_sslv3 |
                          ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1,
                      code);
  context.use_certificate_chain_file(options.cert_file, code);
  if (!code) context.use_private_key_file(options.key_file, ssl::context::pem, code);
  if (code) {
    throw invalid(cat("could not load X509 key pair (cert: ", quoted(options.cert_file),
                      ", key: ", quoted(options.key_file), "): ", code.message()));
  }
  if (!options.verify) return;
  context.load_verify_file(options.ca_file, code);
  if (code) throw invalid(cat("could not read CA certificate ", quoted(options.ca_file), ": ", code.message()));
  context.set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
  // Without it OpenSSL refuses a client that takes up an earlier session, since that one skips the certificate.
  constexpr unsigned char kSessions[] = "berthd";
  ::SSL_CTX_set_session_id_context(context.native_handle(), kSessions, sizeof kSessions - 1);
}

TlsContext::~TlsContext() = default;

std::unique_ptr<Transport> TlsContext::make_transport(Socket socket, EventLoop& loop) const {
  return std::make_unique<TlsTransport>(std::move(socket), impl_->context, loop);
}

}  // namespace berth::http
