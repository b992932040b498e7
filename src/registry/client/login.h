#pragma once

#include <string>

#include "registry/client/trust.h"

namespace berth::registry {

/// Whom a registry should let in: a name with a password, or an identity token of an earlier login.
struct Credentials {
  std::string username, password, identity_token;
};

/// Asks the registry whether it knows `credentials`; nothing is kept. Blocks for at most half a minute and what looking
/// up its name takes.
///
/// server   "host:port", or an address as `docker login` takes it ("" and Docker Hub's mean registry-1.docker.io)
/// returns  the identity token that the registry gave in place of the password, or ""
///
/// Throws invalid (no such address), unauthorized (the registry said no) and system, with dockerd's texts.
/// Spec: distribution-spec "Endpoints" end-1, distribution's docs on token and oauth2 authentication.
std::string login(const Policy& policy, const std::string& server, const Credentials& credentials);

}  // namespace berth::registry
