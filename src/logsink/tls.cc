#include "logsink/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::logsink {
namespace {

Error tls_error(std::string_view what) {
  const unsigned long code = ::ERR_get_error();
  const char* const reason = code == 0 ? nullptr : ::ERR_reason_error_string(code);
  ::ERR_clear_error();
  return system_error(cat("tls: ", what, reason == nullptr ? "" : ": ", reason == nullptr ? "" : reason));
}

}  // namespace

struct Tls::State {
  SSL_CTX* context = nullptr;
  SSL* connection = nullptr;
  ~State() {
    if (connection != nullptr) ::SSL_free(connection);
    if (context != nullptr) ::SSL_CTX_free(context);
  }
};

Tls::Tls(const Config& config, sys::FdRef socket) : state_(std::make_unique<State>()) {
  state_->context = ::SSL_CTX_new(::TLS_client_method());
  if (state_->context == nullptr) throw tls_error("context");
  SSL_CTX* const context = state_->context;
  ::SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  ::SSL_CTX_set_default_verify_paths(context);
  if (!config.tls_ca.empty() && ::SSL_CTX_load_verify_locations(context, config.tls_ca.c_str(), nullptr) != 1) {
    throw tls_error(cat("could not read CA certificate ", quoted(config.tls_ca)));
  }
  if (!config.tls_cert.empty() || !config.tls_key.empty()) {
    if (::SSL_CTX_use_certificate_chain_file(context, config.tls_cert.c_str()) != 1 ||
        ::SSL_CTX_use_PrivateKey_file(context, config.tls_key.c_str(), SSL_FILETYPE_PEM) != 1) {
      throw tls_error("could not load X509 key pair");
    }
  }
  ::SSL_CTX_set_verify(context, config.tls_skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  state_->connection = ::SSL_new(context);
  SSL* const connection = state_->connection;
  if (connection == nullptr || ::SSL_set_fd(connection, socket.get()) != 1) throw tls_error("connection");
  unsigned char address[sizeof(in6_addr)];
  const bool is_address = ::inet_pton(AF_INET, config.host.c_str(), address) == 1 ||
                          ::inet_pton(AF_INET6, config.host.c_str(), address) == 1;
  if (is_address) {
    ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(connection), config.host.c_str());
  } else {
    ::SSL_set1_host(connection, config.host.c_str());
    ::SSL_set_tlsext_host_name(connection, config.host.c_str());
  }
  if (::SSL_connect(connection) != 1) {
    const long verdict = ::SSL_get_verify_result(connection);
    if (verdict != X509_V_OK && !config.tls_skip_verify) {
      ::ERR_clear_error();
      throw system_error(cat("tls: failed to verify certificate: ", ::X509_verify_cert_error_string(verdict)));
    }
    throw tls_error("handshake failed");
  }
}

Tls::~Tls() = default;

void Tls::write(std::string_view bytes) {
  while (!bytes.empty()) {
    std::size_t written = 0;
    if (::SSL_write_ex(state_->connection, bytes.data(), bytes.size(), &written) != 1) throw tls_error("write");
    bytes.remove_prefix(written);
  }
}

std::string Tls::read() {
  std::string bytes(4096, 0);
  std::size_t got = 0;
  if (::SSL_read_ex(state_->connection, bytes.data(), bytes.size(), &got) != 1) {
    if (::SSL_get_error(state_->connection, 0) == SSL_ERROR_ZERO_RETURN) return {};
    throw tls_error("read");
  }
  bytes.resize(got);
  return bytes;
}

}  // namespace berth::logsink
