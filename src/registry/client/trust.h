#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/http_client/tls.h"
#include "registry/client/proxy.h"

namespace berth::registry {

/// A server to be asked in a registry's place when something is pulled.
struct Mirror {
  std::string upstream;  ///< "docker.io", "quay.io:443"
  std::string address;   ///< "https://mirror.example"
};

/// Out of --registry-mirror: dockerd's "https://mirror.example" is one of Docker Hub; Berth's own "UPSTREAM=https://…"
/// of any registry. Throws invalid with dockerd's texts.
Mirror parse_mirror(const std::string& text);

/// Berth's and docker's certs.d.
std::vector<std::string> default_certificate_folders();

/// What the daemon's configuration says about registries.
struct Policy {
  std::vector<std::string> insecure;             ///< --insecure-registry: "host:port" and CIDRs, besides loopback's
  std::vector<std::string> certificate_folders;  ///< each with a folder for a registry: "<folder>/<host:port>/ca.crt"
  std::vector<Mirror> mirrors;
  Proxies proxies;
  std::string neighbours;  ///< folder of the sockets of registries on this machine; "": all is asked for over HTTP
  /// So long a server may be silent, or send or take next to nothing.
  std::chrono::milliseconds silence{60'000};
  int attempts = 5;  ///< --max-download-attempts: how often a failing registry is asked for one thing
};

/// True for registries that may speak HTTP or have a certificate nobody vouches for: those named in the policy, and
/// those of which an address lies in 127.0.0.0/8, ::1/128 or a CIDR of the policy. Looks the name up.
bool is_insecure(const Policy& policy, const std::string& authority, const std::string& host);

/// Checks against the system's certificates and `*.crt` of the registry's folders, and shows `<x>.cert` with
/// `<x>.key` from there. Throws invalid, with Docker's text, for one without the other.
http_client::TlsOptions folder_tls_options(const std::vector<std::string>& folders, const std::string& authority);
inline http_client::TlsOptions tls_options(const Policy& policy, const std::string& authority) {
  return folder_tls_options(policy.certificate_folders, authority);
}

}  // namespace berth::registry
