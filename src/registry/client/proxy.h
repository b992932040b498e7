#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/http_client/connection.h"
#include "base/http_client/tls.h"
#include "registry/client/url.h"

namespace berth::registry {

/// HTTP_PROXY, HTTPS_PROXY and NO_PROXY, or what stands in their place in the daemon's configuration.
struct Proxies {
  std::string http, https;  ///< "http://user:password@host:3128"; "" is none
  std::string no_proxy;     ///< comma-separated: host, .domain, address, network, each perhaps with a port; "*" is all
  /// Of proxies that are spoken to with TLS ("https://…"): as Policy's, with "<folder>/<host:port>/ca.crt".
  std::vector<std::string> certificate_folders{};
};

/// Of this process; also in lower case.
Proxies proxies_of_environment();

/// Through whom one address is reached. Rules: Go's golang.org/x/net/http/httpproxy, which clients of Docker know; so
/// this machine itself is never asked for through a proxy.
struct Proxy {
  Url url;
  std::string authorization;  ///< value of Proxy-Authorization, or ""
};
/// Throws invalid for a proxy that is no address.
std::optional<Proxy> proxy_for(const Proxies& proxies, const Url& target);

/// A stream to the server of `target`, with TLS if it is https, perhaps through a proxy: with CONNECT for https, as it
/// is for http (then requests name the whole address). The line to the proxy may have a TLS of its own. Errors are in
/// Go's words: "proxyconnect tcp: …" when the proxy could not be reached, its own reason when it refuses.
std::unique_ptr<http_client::Connection> open_stream(const Proxies& proxies, const Url& target,
                                                     const http_client::TlsOptions& tls,
                                                     http_client::Deadline deadline);

}  // namespace berth::registry
