#pragma once

#include <memory>

#include "cli/http/connection.h"

namespace berth::cli {

/// Client side of TLS over a connected socket, with the client's certificate if there is one. Throws when the
/// handshake fails or, with verify, when the server's certificate does not fit the CA and the host's name.
std::unique_ptr<Connection> open_tls(sys::UniqueFd socket, const Endpoint& endpoint);

}  // namespace berth::cli
