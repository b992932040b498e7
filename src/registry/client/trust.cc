#include "registry/client/trust.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::registry {

namespace {

namespace fs = std::filesystem;

/// Network byte order; 4 or 16 bytes.
std::string address_bytes(const std::string& text) {
  std::array<char, 16> buffer{};
  if (::inet_pton(AF_INET, text.c_str(), buffer.data()) == 1) return {buffer.data(), 4};
  if (::inet_pton(AF_INET6, text.c_str(), buffer.data()) == 1) return {buffer.data(), 16};
  return "";
}

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

bool lies_in(const std::string& address, const std::string& cidr) {
  const std::size_t slash = cidr.find('/');
  const std::string network = address_bytes(cidr.substr(0, slash));
  const auto length = parse_number<unsigned>(std::string_view{cidr}.substr(slash + 1));
  if (network.size() != address.size() || !length || *length > network.size() * 8) return false;
  for (unsigned bit = 0; bit < *length; ++bit) {
    const int mask = 0x80 >> (bit % 8);
    if ((address[bit / 8] & mask) != (network[bit / 8] & mask)) return false;
  }
  return true;
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

http_client::TlsOptions tls_options(const Policy& policy, const std::string& authority) {
  http_client::TlsOptions tls{.enabled = true, .verify = true};
  add_system_bundle(tls.more_ca_files);
  if (authority == "." || authority == "..") return tls;
  for (const std::string& folder : policy.certificate_folders) read_folder(tls, cat(folder, "/", authority));
  return tls;
}

}  // namespace berth::registry
