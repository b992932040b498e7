#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/http_client/connection.h"

namespace berth::http_client {

struct TlsOptions {
  bool enabled = false, verify = false;
  std::string ca_file;                     ///< "": the system's store
  std::string certificate_file, key_file;  ///< the client's own, or ""
  std::vector<std::string> more_ca_files;  ///< trusted besides
};

/// Client side of TLS over a connected socket, with the client's certificate if there is one. Throws unavailable when
/// the handshake fails or, with verify, when the server's certificate fits neither a CA nor `name` (host or address).
std::unique_ptr<Connection> open_tls(sys::UniqueFd socket, const std::string& name, const TlsOptions& options,
                                     Deadline deadline = kNoDeadline);

}  // namespace berth::http_client
