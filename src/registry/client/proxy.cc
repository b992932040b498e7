#include "registry/client/proxy.h"

#include <algorithm>
#include <cstdlib>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/http_client/escape.h"
#include "base/http_client/reply.h"
#include "registry/client/address.h"
#include "registry/client/trust.h"

namespace berth::registry {

namespace {

bool is_loopback(const std::string& host) {
  return lies_in(address_bytes(host), "127.0.0.0/8") || lies_in(address_bytes(host), "::1/128");
}

/// Whether one entry of NO_PROXY means the server.
bool means(std::string entry, const Url& target) {
  const std::string host = to_lower(target.host);
  if (entry == "*") return true;
  if (entry.find('/') != std::string::npos) return lies_in(address_bytes(host), entry);
  if (!address_bytes(entry).empty()) return address_bytes(entry) == address_bytes(host);
  const std::size_t colon = entry.rfind(':');
  if (colon != std::string::npos) {
    if (entry.substr(colon + 1) != target.port) return false;
    entry.resize(colon);
  }
  if (entry.starts_with('[') && entry.ends_with(']')) entry = entry.substr(1, entry.size() - 2);
  if (!address_bytes(entry).empty()) return address_bytes(entry) == address_bytes(host);
  if (entry.starts_with("*.")) entry.erase(0, 1);
  if (entry.starts_with('.')) return host.ends_with(entry);
  return !entry.empty() && (host == entry || host.ends_with(cat(".", entry)));
}

bool is_direct(const std::string& no_proxy, const Url& target) {
  if (to_lower(target.host) == "localhost" || is_loopback(target.host)) return true;
  return std::ranges::any_of(split(no_proxy, ','), [&](const std::string& entry) {
    return means(to_lower(std::string{trim(entry)}), target);
  });
}

/// The line to the proxy itself. A registry's certificates, and that it may be insecure, are no matter of the proxy's.
std::unique_ptr<http_client::Connection> open_proxy(const Proxies& proxies, const Url& url,
                                                    http_client::Deadline deadline) {
  try {
    auto line = http_client::open_plain(http_client::dial_tcp(url.host, url.port, deadline), deadline);
    if (url.scheme != "https") return line;
    return http_client::open_tls(std::move(line), url.host,
                                 folder_tls_options(proxies.certificate_folders, url.authority), deadline);
  } catch (const Error& error) {
    // Whoever waits for "HTTP response to HTTPS client" would take the registry to be meant.
    const bool is_plain = error.text() == http_client::kPlainPeer;
    throw Error{
        error.kind(),
        cat("proxyconnect tcp: ", is_plain ? "tls: first record does not look like a TLS handshake" : error.text()),
        error.error_number()};
  }
}

/// A tunnel through the proxy. Spec: RFC 9110, 9.3.6.
std::unique_ptr<http_client::Connection> connect_through(std::unique_ptr<http_client::Connection> line,
                                                         const Proxy& proxy, const Url& target) {
  const std::string host = target.host.find(':') == std::string::npos ? target.host : cat("[", target.host, "]");
  const std::string server = cat(host, ":", target.port);
  std::string head =
      cat("CONNECT ", server, " HTTP/1.1\r\nHost: ", server, "\r\nUser-Agent: berth/", BERTH_VERSION, " os/linux\r\n");
  if (!proxy.authorization.empty()) head += cat("Proxy-Authorization: ", proxy.authorization, "\r\n");
  http_client::Reply reply{std::move(line)};
  reply.connection().write(cat(head, "\r\n"));
  try {
    reply.receive_head(true);
  } catch (const Error& error) {
    if (error.text() == "EOF") throw Error{error.kind(), "unexpected EOF", error.error_number()};
    throw;
  }
  if (reply.status != 200) throw Error{ErrorKind::unavailable, reply.reason.empty() ? cat(reply.status) : reply.reason};
  if (reply.has_buffered()) throw Error{ErrorKind::unavailable, "the proxy sent more than an answer"};
  return reply.release();
}

}  // namespace

Proxies proxies_of_environment() {
  const auto find = [](std::initializer_list<const char*> names) -> std::string {
    for (const char* name : names) {
      const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets the environment
      if (value != nullptr && *value != '\0') return value;
    }
    return "";
  };
  return {.http = find({"HTTP_PROXY", "http_proxy"}),
          .https = find({"HTTPS_PROXY", "https_proxy"}),
          .no_proxy = find({"NO_PROXY", "no_proxy"}),
          .certificate_folders = default_certificate_folders()};
}

std::optional<Proxy> proxy_for(const Proxies& proxies, const Url& target) {
  const std::string& configured = target.scheme == "https" ? proxies.https : proxies.http;
  if (configured.empty() || is_direct(proxies.no_proxy, target)) return std::nullopt;
  const std::string address = configured.find("://") == std::string::npos ? cat("http://", configured) : configured;
  Proxy proxy{.url = parse_url(address), .authorization = {}};
  const std::size_t start = address.find("://") + 3;
  const std::string authority = address.substr(start, address.find_first_of("/?#", start) - start);
  if (const std::size_t at = authority.rfind('@'); at != std::string::npos) {
    proxy.authorization = cat("Basic ", http_client::base64(http_client::unescape_url(authority.substr(0, at))));
  }
  return proxy;
}

std::unique_ptr<http_client::Connection> open_stream(const Proxies& proxies, const Url& target,
                                                     const http_client::TlsOptions& tls,
                                                     http_client::Deadline deadline) {
  if (target.host.empty()) throw Error{ErrorKind::unavailable, "http: no Host in request URL"};
  const std::optional<Proxy> proxy = proxy_for(proxies, target);
  auto line = proxy ? open_proxy(proxies, proxy->url, deadline)
                    : http_client::open_plain(http_client::dial_tcp(target.host, target.port, deadline), deadline);
  if (target.scheme != "https") return line;
  if (proxy) line = connect_through(std::move(line), *proxy, target);
  return http_client::open_tls(std::move(line), target.host, tls, deadline);
}

}  // namespace berth::registry
