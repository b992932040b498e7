#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/http_client/connection.h"

namespace berth::http_client {

/// The text of the error when a peer answers without TLS, as Go's client has it.
inline constexpr std::string_view kPlainPeer = "http: server gave HTTP response to HTTPS client";

struct TlsOptions {
  bool enabled = false, verify = false;
  std::string ca_file;                     ///< "": the system's store
  std::string certificate_file, key_file;  ///< the client's own, or ""
  std::vector<std::string> more_ca_files;  ///< trusted besides
};

/// Client side of TLS over another connection, of whatever kind, with the client's certificate if there is one. Throws
/// unavailable when the handshake fails or, with verify, when the server's certificate fits neither a CA nor `name`
/// (host or address).
std::unique_ptr<Connection> open_tls(std::unique_ptr<Connection> below, const std::string& name,
                                     const TlsOptions& options, Deadline deadline = kNoDeadline);

}  // namespace berth::http_client
