#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/http_client/connection.h"
#include "base/http_client/tls.h"

namespace berth::cli {

using http_client::TlsOptions;

/// Where the daemon listens: "unix:///run/x.sock", "tcp://host:2376", "fd://" is not for clients.
struct Endpoint {
  enum class Kind { unix_socket, tcp } kind = Kind::unix_socket;
  std::string host;  ///< as given, for messages
  std::string path;  ///< of the socket
  std::string address, port;
  TlsOptions tls;
};

/// Throws invalid for what is no address.
Endpoint parse_endpoint(const std::string& host, TlsOptions tls);

/// Throws unavailable, "Cannot connect to the Berth daemon at …", when nobody listens.
std::unique_ptr<http_client::Connection> connect(const Endpoint& endpoint);

}  // namespace berth::cli
