#include "base/http_client/tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/socket.h"

namespace berth::http_client {

namespace {

struct FreeContext {
  void operator()(SSL_CTX* context) const { ::SSL_CTX_free(context); }
};
struct FreeSession {
  void operator()(SSL* session) const { ::SSL_free(session); }
};
using Context = std::unique_ptr<SSL_CTX, FreeContext>;
using Session = std::unique_ptr<SSL, FreeSession>;

Error tls_error(std::string_view during) {
  char reason[256] = "connection closed";
  if (const unsigned long code = ::ERR_get_error(); code != 0) ::ERR_error_string_n(code, reason, sizeof reason);
  ::ERR_clear_error();
  return {ErrorKind::unavailable, cat(during, ": ", std::string_view{reason})};
}

/// A handshake's failure in the words that users of Go programs know.
Error handshake_error(SSL* session, const std::string& name) {
  const unsigned long code = ::ERR_peek_error();
  const long verdict = ::SSL_get_verify_result(session);
  if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER || ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST) {
    ::ERR_clear_error();
    return {ErrorKind::unavailable, std::string{kPlainPeer}};
  }
  if (verdict == X509_V_OK && code == 0) return {ErrorKind::unavailable, "EOF"};  // the line, not the peer's TLS
  if (verdict == X509_V_OK) return tls_error("tls: handshake");
  ::ERR_clear_error();
  std::string reason = ::X509_verify_cert_error_string(verdict);
  if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    reason = cat("certificate is not valid for ", name);
  } else if (verdict == X509_V_ERR_CERT_HAS_EXPIRED || verdict == X509_V_ERR_CERT_NOT_YET_VALID) {
    reason = "certificate has expired or is not yet valid";
  } else if (verdict == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
             verdict == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN || verdict == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
             verdict == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE) {
    reason = "certificate signed by unknown authority";
  }
  return {ErrorKind::unavailable, cat("tls: failed to verify certificate: x509: ", reason)};
}

Context make_context(const TlsOptions& options) {
  Context context{::SSL_CTX_new(::TLS_client_method())};
  if (!context) throw tls_error("TLS context");
  ::SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  // Not every peer says goodbye before it closes; bodies have their own ends.
  // Without renegotiation a session that writes never waits for something to read.
  ::SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
  ::SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (!options.certificate_file.empty()) {
    if (::SSL_CTX_use_certificate_chain_file(context.get(), options.certificate_file.c_str()) != 1) {
      throw tls_error(cat("certificate ", options.certificate_file));
    }
    if (::SSL_CTX_use_PrivateKey_file(context.get(), options.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
      throw tls_error(cat("key ", options.key_file));
    }
  }
  if (options.verify) {
    const bool loaded = options.ca_file.empty()
                            ? ::SSL_CTX_set_default_verify_paths(context.get()) == 1
                            : ::SSL_CTX_load_verify_locations(context.get(), options.ca_file.c_str(), nullptr) == 1;
    if (!loaded) throw tls_error(cat("CA ", options.ca_file));
    for (const std::string& file : options.more_ca_files) {
      if (::SSL_CTX_load_verify_locations(context.get(), file.c_str(), nullptr) != 1) throw tls_error(cat("CA ", file));
    }
    ::SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  }
  return context;
}

/// Whom the session is for; with verify, the certificate must say so, too.
void set_name(SSL* session, const std::string& name, bool verify) {
  char binary[16];
  const bool is_address =
      ::inet_pton(AF_INET, name.c_str(), binary) == 1 || ::inet_pton(AF_INET6, name.c_str(), binary) == 1;
  if (!is_address) ::SSL_set_tlsext_host_name(session, name.c_str());
  if (!verify) return;
  if (is_address)
    ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(session), name.c_str());
  else
    ::SSL_set1_host(session, name.c_str());
}

// ---- A session's records over another connection

/// OpenSSL's view of a Connection that is not a socket. Its failures look like the line's end, as those of sockets do.
int read_record(BIO* bio, char* buffer, std::size_t size, std::size_t* got) {
  auto* below = static_cast<Connection*>(::BIO_get_data(bio));
  ::BIO_clear_retry_flags(bio);
  try {
    const std::optional<std::size_t> some = below->try_read(buffer, size);
    if (!some) ::BIO_set_retry_read(bio);
    *got = some.value_or(0);
  } catch (const Error&) {
    *got = 0;
  }
  return *got > 0 ? 1 : 0;
}

int write_record(BIO* bio, const char* bytes, std::size_t size, std::size_t* put) {
  auto* below = static_cast<Connection*>(::BIO_get_data(bio));
  ::BIO_clear_retry_flags(bio);
  try {
    *put = below->try_write({bytes, size});
    if (*put == 0) ::BIO_set_retry_write(bio);
  } catch (const Error&) {
    *put = 0;
  }
  return *put > 0 ? 1 : 0;
}

long control_records(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* record_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
    ::BIO_meth_set_read_ex(made, read_record);
    ::BIO_meth_set_write_ex(made, write_record);
    ::BIO_meth_set_ctrl(made, control_records);
    return made;
  }();
  return method;
}

/// The session borrows `below`.
void put_over(SSL* session, Connection& below) {
  if (below.is_plain()) {
    if (::SSL_set_fd(session, below.fd().get()) != 1) throw tls_error("TLS session");
    return;
  }
  BIO* bio = ::BIO_new(record_method());
  if (bio == nullptr) throw tls_error("TLS session");
  ::BIO_set_data(bio, &below);
  ::BIO_set_init(bio, 1);
  ::SSL_set_bio(session, bio, bio);  // which owns it from here on
}

// ---- The connection

/// Waits for what the session wants; false when it is not waiting that helps.
bool wait_for(sys::FdRef fd, int reason, Deadline deadline) {
  if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) return false;
  wait_ready(fd, reason == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline);
  return true;
}

class TlsConnection : public Connection {
 public:
  TlsConnection(std::unique_ptr<Connection> below, Context context, Session session, Deadline deadline)
      : below_(std::move(below)), context_(std::move(context)), session_(std::move(session)), deadline_(deadline) {}

  std::size_t read(char* buffer, std::size_t size) override {
    std::size_t got = 0;
    while (::SSL_read_ex(session_.get(), buffer, size, &got) != 1) {
      const int reason = ::SSL_get_error(session_.get(), 0);
      if (reason == SSL_ERROR_ZERO_RETURN || reason == SSL_ERROR_SYSCALL) return 0;
      if (!wait_for(fd(), reason, deadline_)) throw tls_error("read");
    }
    return got;
  }

  void write(std::string_view bytes) override {
    while (!bytes.empty()) {
      std::size_t put = 0;
      if (::SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &put) == 1) {
        bytes.remove_prefix(put);
      } else if (!wait_for(fd(), ::SSL_get_error(session_.get(), 0), deadline_)) {
        throw tls_error("write");
      }
    }
  }

  std::optional<std::size_t> try_read(char* buffer, std::size_t size) override {
    sys::set_nonblocking(fd());
    std::size_t got = 0;
    if (::SSL_read_ex(session_.get(), buffer, size, &got) == 1) return got;
    const int reason = ::SSL_get_error(session_.get(), 0);
    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) return std::nullopt;
    if (reason == SSL_ERROR_ZERO_RETURN || reason == SSL_ERROR_SYSCALL) return 0;
    throw tls_error("read");
  }

  std::size_t try_write(std::string_view bytes) override {
    sys::set_nonblocking(fd());
    std::size_t put = 0;
    if (bytes.empty() || ::SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &put) == 1) return put;
    const int reason = ::SSL_get_error(session_.get(), 0);
    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) return 0;
    throw tls_error("write");
  }

  bool is_readable() override {
    sys::set_nonblocking(fd());
    char byte;
    std::size_t got = 0;
    if (::SSL_peek_ex(session_.get(), &byte, 1, &got) == 1) return true;
    const int reason = ::SSL_get_error(session_.get(), 0);
    ::ERR_clear_error();
    return reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE;
  }

  void shutdown_write() override { ::SSL_shutdown(session_.get()); }
  sys::FdRef fd() const override { return below_->fd(); }
  bool has_buffered() const override { return ::SSL_pending(session_.get()) > 0 || below_->has_buffered(); }
  bool is_plain() const override { return false; }
  void set_deadline(Deadline deadline) override { deadline_ = deadline; }

 private:
  std::unique_ptr<Connection> below_;
  Context context_;
  Session session_;
  Deadline deadline_;
};

}  // namespace

std::unique_ptr<Connection> open_tls(std::unique_ptr<Connection> below, const std::string& name,
                                     const TlsOptions& options, Deadline deadline) {
  Context context = make_context(options);
  Session session{::SSL_new(context.get())};
  if (!session) throw tls_error("TLS session");
  put_over(session.get(), *below);
  set_name(session.get(), name, options.verify);
  if (deadline != kNoDeadline) sys::set_nonblocking(below->fd());
  for (;;) {
    ::ERR_clear_error();
    const int result = ::SSL_connect(session.get());
    if (result == 1) break;
    if (!wait_for(below->fd(), ::SSL_get_error(session.get(), result), deadline))
      throw handshake_error(session.get(), name);
  }
  return std::make_unique<TlsConnection>(std::move(below), std::move(context), std::move(session), deadline);
}

}  // namespace berth::http_client
