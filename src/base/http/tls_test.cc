#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <csignal>
#include <future>
#include <thread>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/http/server.h"
#include "base/sys/file.h"

namespace berth::http {
namespace {

using namespace std::chrono_literals;

template <auto Free>
struct Freeing {
  void operator()(auto* object) const { Free(object); }
};
using Key = std::unique_ptr<EVP_PKEY, Freeing<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freeing<X509_free>>;
using Ssl = std::unique_ptr<SSL, Freeing<SSL_free>>;
using Context = std::unique_ptr<SSL_CTX, Freeing<SSL_CTX_free>>;

/// A certificate for `name` signed by `issuer_key` (its own key for a CA).
Certificate make_certificate(const char* name, const char* issuer, EVP_PKEY* key, EVP_PKEY* issuer_key) {
  Certificate certificate{X509_new()};
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key);
  const auto set = [](X509_NAME* field, const char* text) {
    X509_NAME_add_entry_by_txt(field, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(text), -1, -1, 0);
  };
  set(X509_get_subject_name(certificate.get()), name);
  set(X509_get_issuer_name(certificate.get()), issuer);
  const std::unique_ptr<X509_EXTENSION, Freeing<X509_EXTENSION_free>> constraints{X509V3_EXT_conf_nid(
      nullptr, nullptr, NID_basic_constraints, key == issuer_key ? "critical,CA:TRUE" : "CA:FALSE")};
  X509_add_ext(certificate.get(), constraints.get(), -1);
  X509_sign(certificate.get(), issuer_key, EVP_sha256());
  return certificate;
}

void save(const std::string& path, const auto& write) {
  std::unique_ptr<FILE, Freeing<std::fclose>> file{std::fopen(path.c_str(), "w")};
  write(file.get());
}

/// Says what came, or hands the connection to the test.
class EchoHandler final : public Handler {
 public:
  Task<void> handle(Request request, ResponseStream& out) override {
    if (request.path == "/hijack") {
      hijacked = co_await out.hijack("application/vnd.docker.raw-stream");
      done.set_value();
    } else {
      std::string body = co_await request.body->read_all(1 << 22);
      co_await out.send(Response{.status = 200, .content_type = "text/plain", .body = std::move(body)});
    }
  }
  Hijacked hijacked;
  std::promise<void> done;
};

class TlsServer : public testing::Test {
 protected:
  TlsServer() : dir_("/tmp"), key_(EVP_EC_gen("P-256")) {
    ::signal(SIGPIPE, SIG_IGN);  // of OpenSSL's own write(2), on the test's side
    const Key ca_key{EVP_EC_gen("P-256")};
    const Certificate ca = make_certificate("ca", "ca", ca_key.get(), ca_key.get());
    const Certificate leaf = make_certificate("localhost", "ca", key_.get(), ca_key.get());
    save(file("ca.pem"), [&](FILE* out) { PEM_write_X509(out, ca.get()); });
    save(file("cert.pem"), [&](FILE* out) { PEM_write_X509(out, leaf.get()); });
    save(file("key.pem"),
         [&](FILE* out) { PEM_write_PrivateKey(out, key_.get(), nullptr, nullptr, 0, nullptr, nullptr); });
    port_ = server_.listen_tcp("127.0.0.1", 0, TlsOptions{file("ca.pem"), file("cert.pem"), file("key.pem"), true});
    thread_ = std::thread{[this] { loop_.run(); }};
  }
  ~TlsServer() override {
    std::promise<void> closed;
    boost::asio::co_spawn(loop_, server_.close(), [&](const std::exception_ptr&) { closed.set_value(); });
    closed.get_future().wait();
    work_.reset();
    thread_.join();
  }

  std::string file(const char* name) const { return dir_.path() + "/" + name; }

  /// The client's context, with or without a certificate.
  Context make_context(bool with_certificate) const {
    Context context{SSL_CTX_new(TLS_client_method())};
    if (with_certificate) {
      SSL_CTX_use_certificate_file(context.get(), file("cert.pem").c_str(), SSL_FILETYPE_PEM);
      SSL_CTX_use_PrivateKey_file(context.get(), file("key.pem").c_str(), SSL_FILETYPE_PEM);
    }
    return context;
  }
  /// Connected, handshake not yet checked by the server's side.
  Ssl connect(SSL_CTX* context) {
    socket_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{
        .sin_family = AF_INET, .sin_port = htons(port_), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const timeval limit{2, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    Ssl ssl{SSL_new(context)};
    SSL_set_fd(ssl.get(), socket_.get());
    SSL_connect(ssl.get());
    return ssl;
  }
  static std::string receive(SSL* ssl, std::string_view end) {
    std::string out;
    char buffer[4096];
    while (!out.contains(end)) {
      const int count = SSL_read(ssl, buffer, sizeof buffer);
      if (count <= 0) break;
      out.append(buffer, static_cast<std::size_t>(count));
    }
    return out;
  }
  static void send(SSL* ssl, std::string_view text) { SSL_write(ssl, text.data(), static_cast<int>(text.size())); }

  sys::TemporaryDir dir_;
  Key key_;
  EventLoop loop_;
  boost::asio::executor_work_guard<EventLoop::executor_type> work_{loop_.get_executor()};
  Logger logger_{LogLevel::fatal};
  EchoHandler handler_;
  Server server_{loop_, handler_, {}, logger_};
  std::uint16_t port_ = 0;
  sys::UniqueFd socket_;
  std::thread thread_;
};

TEST_F(TlsServer, ServesClientsWithACertificate) {
  const Context context = make_context(true);
  const Ssl ssl = connect(context.get());
  for (int i = 0; i < 2; ++i) {
    send(ssl.get(), "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    EXPECT_TRUE(receive(ssl.get(), "hello").starts_with("HTTP/1.1 200 OK\r\n"));
  }
}

TEST_F(TlsServer, TakesAndSendsMoreThanOneRecord) {
  const Context context = make_context(true);
  const Ssl ssl = connect(context.get());
  const std::string body = std::string(300'000, 'b') + "end";
  send(ssl.get(), cat("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: ", body.size(), "\r\n\r\n"));
  send(ssl.get(), body);
  EXPECT_TRUE(receive(ssl.get(), "bend").ends_with(body));
}

TEST_F(TlsServer, RefusesClientsWithoutOne) {
  const Context context = make_context(false);
  const Ssl ssl = connect(context.get());
  send(ssl.get(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(receive(ssl.get(), "HTTP"), "");
}

TEST_F(TlsServer, HijackedBytesGoBothWaysAndEndOneByOne) {
  const Context context = make_context(true);
  const Ssl ssl = connect(context.get());
  send(ssl.get(), "POST /hijack HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
  EXPECT_TRUE(receive(ssl.get(), "\r\n\r\n").starts_with("HTTP/1.1 101 UPGRADED\r\n"));
  ASSERT_EQ(handler_.done.get_future().wait_for(2s), std::future_status::ready);
  send(ssl.get(), "input");
  SSL_shutdown(ssl.get());  // the client's end of file; it still reads
  EXPECT_EQ(sys::read_all(handler_.hijacked.socket), "input");
  sys::write_all(handler_.hijacked.socket, "output");
  handler_.hijacked.socket.reset();
  EXPECT_EQ(receive(ssl.get(), "never"), "output");
  EXPECT_EQ(SSL_get_shutdown(ssl.get()) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
}

TEST_F(TlsServer, AHijackedClientThatLeavesHangsUpOnTheEngine) {
  const Context context = make_context(true);
  for (const bool politely : {true, false}) {
    handler_.done = {};
    const Ssl ssl = connect(context.get());
    send(ssl.get(), "POST /hijack HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    receive(ssl.get(), "\r\n\r\n");
    ASSERT_EQ(handler_.done.get_future().wait_for(2s), std::future_status::ready);
    if (politely) SSL_shutdown(ssl.get());
    socket_.reset();
    pollfd entry{handler_.hijacked.socket.get(), 0, 0};
    EXPECT_EQ(::poll(&entry, 1, 2000), 1);
    EXPECT_NE(entry.revents & POLLHUP, 0);
  }
}

TEST_F(TlsServer, BadFilesAreNamed) {
  try {
    server_.listen_tcp("127.0.0.1", 0, TlsOptions{"", "/nowhere/cert.pem", "/nowhere/key.pem", false});
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(error.text().starts_with(
        "could not load X509 key pair (cert: \"/nowhere/cert.pem\", key: \"/nowhere/key.pem\"): "))
        << error.text();
  }
}

}  // namespace
}  // namespace berth::http
