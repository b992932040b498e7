#include "cli/http/endpoint.h"

#include <sys/socket.h>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/socket.h"

namespace berth::cli {

namespace {

Error no_daemon(const Endpoint& endpoint, std::string_view reason = {}) {
  std::string text = cat("Cannot connect to the Berth daemon at ", endpoint.host, ". Is berthd running?");
  if (!reason.empty()) text += cat(" (", reason, ")");
  return {ErrorKind::unavailable, std::move(text)};
}

sys::UniqueFd connect_tcp(const Endpoint& endpoint) {
  try {
    return http_client::dial_tcp(endpoint.address, endpoint.port);
  } catch (const Error& error) {
    throw no_daemon(endpoint, error.text());
  }
}

sys::UniqueFd connect_unix(const Endpoint& endpoint) {
  try {
    auto fd = sys::connect_unix(endpoint.path, SOCK_STREAM);
    if (fd) return std::move(*fd);
  } catch (const Error& error) {
    if (error.error_number() == EACCES) {
      throw Error{ErrorKind::forbidden,
                  cat("permission denied while trying to connect to the Berth daemon socket at ", endpoint.host)};
    }
    throw;
  }
  throw no_daemon(endpoint);
}

}  // namespace

Endpoint parse_endpoint(const std::string& host, TlsOptions tls) {
  Endpoint endpoint{.host = host, .tls = std::move(tls)};
  const std::size_t colon = host.find("://");
  if (colon == std::string::npos) {
    if (host.starts_with('/')) return parse_endpoint(cat("unix://", host), std::move(endpoint.tls));
    return parse_endpoint(cat("tcp://", host), std::move(endpoint.tls));
  }
  const std::string scheme = host.substr(0, colon);
  std::string rest = host.substr(colon + 3);
  if (scheme == "unix") {
    endpoint.path = rest.empty() ? "/run/berth.sock" : rest;
    return endpoint;
  }
  if (scheme != "tcp" && scheme != "http" && scheme != "https") {
    throw invalid(cat("unable to resolve docker endpoint: protocol ", quoted(scheme), " is not supported"));
  }
  endpoint.kind = Endpoint::Kind::tcp;
  if (scheme == "https") endpoint.tls.enabled = true;
  rest = rest.substr(0, rest.find('/'));
  const std::size_t port = rest.find(':', rest.starts_with('[') ? rest.find(']') : 0);
  endpoint.address = rest.substr(0, port);
  endpoint.port = port == std::string::npos ? (endpoint.tls.enabled ? "2376" : "2375") : rest.substr(port + 1);
  if (endpoint.address.starts_with('[')) endpoint.address = endpoint.address.substr(1, endpoint.address.size() - 2);
  if (endpoint.address.empty()) endpoint.address = "127.0.0.1";
  if (!parse_number<std::uint16_t>(endpoint.port)) throw invalid(cat("invalid host address: ", host));
  return endpoint;
}

std::unique_ptr<http_client::Connection> connect(const Endpoint& endpoint) {
  if (endpoint.kind == Endpoint::Kind::unix_socket) return http_client::open_plain(connect_unix(endpoint));
  sys::UniqueFd fd = connect_tcp(endpoint);
  if (!endpoint.tls.enabled) return http_client::open_plain(std::move(fd));
  try {
    return http_client::open_tls(http_client::open_plain(std::move(fd)), endpoint.address, endpoint.tls);
  } catch (Error& error) {
    error.during(cat("error during connect: ", endpoint.host));
    throw;
  }
}

}  // namespace berth::cli
