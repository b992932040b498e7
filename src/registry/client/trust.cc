#include "registry/client/trust.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "base/core/error.h"
#include "base/core/text.h"
#include "registry/client/address.h"
#include "registry/client/url.h"

namespace berth::registry {

namespace {

namespace fs = std::filesystem;

std::vector<std::string> lookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return {};
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner{found, ::freeaddrinfo};
  std::vector<std::string> all;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if (at->ai_family == AF_INET) {
      const auto* address = reinterpret_cast<const sockaddr_in*>(at->ai_addr);
      all.emplace_back(reinterpret_cast<const char*>(&address->sin_addr), 4);
    } else if (at->ai_family == AF_INET6) {
      const auto* address = reinterpret_cast<const sockaddr_in6*>(at->ai_addr);
      all.emplace_back(reinterpret_cast<const char*>(&address->sin6_addr), 16);
    }
  }
  return all;
}

/// Berth is one file for every distribution, so the place that OpenSSL was built with need not be this host's.
void add_system_bundle(std::vector<std::string>& files) {
  for (const char* path : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                           "/etc/ssl/ca-bundle.pem", "/etc/pki/tls/cacert.pem", "/etc/ssl/cert.pem"}) {
    std::error_code code;
    if (fs::is_regular_file(path, code)) {
      files.emplace_back(path);
      return;
    }
  }
}

std::vector<fs::path> files_of(const std::string& folder) {
  std::vector<fs::path> files;
  std::error_code code;
  for (fs::directory_iterator at{folder, code}, end; !code && at != end; at.increment(code))
    files.push_back(at->path());
  std::ranges::sort(files);
  return files;
}

void read_folder(http_client::TlsOptions& tls, const std::string& folder) {
  const std::vector<fs::path> files = files_of(folder);
  const auto has = [&](const fs::path& file) { return std::ranges::find(files, file) != files.end(); };
  for (const fs::path& file : files) {
    if (file.extension() == ".crt") tls.more_ca_files.push_back(file.string());
    if (file.extension() == ".cert") {
      const fs::path key = fs::path{file}.replace_extension(".key");
      if (!has(key)) {
        throw invalid(cat("missing key ", key.filename().string(), " for client certificate ", file.filename().string(),
                          ". CA certificates must use the extension .crt"));
      }
      if (!tls.certificate_file.empty()) continue;  // the first one, in the order of names
      tls.certificate_file = file.string();
      tls.key_file = key.string();
    }
    if (file.extension() == ".key") {
      const fs::path certificate = fs::path{file}.replace_extension(".cert");
      if (!has(certificate)) {
        throw invalid(
            cat("Missing client certificate ", certificate.filename().string(), " for key ", file.filename().string()));
      }
    }
  }
}

}  // namespace

std::vector<std::string> default_certificate_folders() { return {"/etc/berth/certs.d", "/etc/docker/certs.d"}; }

Mirror parse_mirror(const std::string& text) {
  const std::size_t equals = text.find("=http");
  Mirror mirror{.upstream = equals == std::string::npos ? "docker.io" : text.substr(0, equals),
                .address = equals == std::string::npos ? text : text.substr(equals + 1)};
  const std::string& address = mirror.address;
  const std::size_t colon = address.find("://");
  if (colon == std::string::npos)
    throw invalid(cat("invalid mirror: unsupported scheme \"\" in ", berth::quoted(address)));
  const std::string scheme = address.substr(0, colon);
  if (scheme != "http" && scheme != "https") {
    throw invalid(cat("invalid mirror: unsupported scheme ", berth::quoted(scheme), " in ", berth::quoted(address)));
  }
  const std::size_t host_at = colon + 3;
  if (address.size() > host_at && address.ends_with('/')) mirror.address.pop_back();
  const std::string rest = address.substr(host_at);
  if (rest.empty() || mirror.upstream.empty()) throw invalid(cat("invalid mirror: no host in ", berth::quoted(text)));
  if (rest.find_first_of("/?#") != std::string::npos) {
    throw invalid(cat("invalid mirror: path, query, or fragment at end of the URI ", berth::quoted(address)));
  }
  if (rest.find('@') != std::string::npos) {
    throw invalid("invalid mirror: username/password not allowed in URI");
  }
  parse_url(mirror.address);
  return mirror;
}

bool is_insecure(const Policy& policy, const std::string& authority, const std::string& host) {
  std::vector<std::string> ranges{"127.0.0.0/8", "::1/128"};
  for (const std::string& entry : policy.insecure) {
    if (iequals(entry, authority)) return true;
    if (entry.find('/') != std::string::npos) ranges.push_back(entry);
  }
  for (const std::string& address : lookup(host)) {
    if (std::ranges::any_of(ranges, [&](const std::string& range) { return lies_in(address, range); })) return true;
  }
  return false;
}

http_client::TlsOptions folder_tls_options(const std::vector<std::string>& folders, const std::string& authority) {
  http_client::TlsOptions tls{.enabled = true, .verify = true};
  add_system_bundle(tls.more_ca_files);
  if (authority == "." || authority == "..") return tls;
  for (const std::string& folder : folders) read_folder(tls, cat(folder, "/", authority));
  return tls;
}

}  // namespace berth::registry
