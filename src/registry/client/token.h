#pragma once

#include <string>

#include "base/http_client/connection.h"
#include "base/http_client/tls.h"
#include "registry/client/challenge.h"
#include "registry/client/login.h"
#include "registry/client/trust.h"
#include "registry/client/url.h"

namespace berth::registry {

/// What a token server gives. Spec: distribution's docs on token and oauth2 authentication.
struct Tokens {
  std::string token;
  std::string refresh_token;  ///< in place of the password from now on; "" unless it was asked for
  int expires_in = 0;         ///< seconds; 0 when the server does not say (then 60)
};

enum class Offline { no, wanted };  ///< whether a refresh token is asked for

/// Asks the server that a Bearer challenge of `registry` names. `scope` is "repository:team/app:pull", or "" for a
/// login. Throws unauthorized, unavailable, and system with Docker's texts; also when credentials of an encrypted
/// registry would travel in the clear. The errno is EAGAIN where another try may be answered better (429, 5xx).
Tokens fetch_tokens(const Policy& policy, const Url& registry, const Challenge& challenge,
                    const Credentials& credentials, const std::string& scope, Offline offline,
                    const http_client::TlsOptions& tls, http_client::Deadline deadline);

bool has_password(const Credentials& credentials);
std::string basic_authorization(const Credentials& credentials);  ///< "Basic bW9ieTp3aGFsZQ=="

}  // namespace berth::registry
