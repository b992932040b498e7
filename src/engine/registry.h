#pragma once

#include <string>

#include "base/async/task.h"

namespace berth::engine {

/// Spec: docker-engine-api-v1.51.yaml, AuthConfig.
struct AuthConfig {
  static constexpr std::string_view kGoName = "AuthConfig";
  std::string username, password, server_address, identity_token;
  static void describe(auto& self, auto&& field) {
    field("username", self.username);
    field("password", self.password);
    field("serveraddress", self.server_address);
    field("identitytoken", self.identity_token);
  }
};

/// Spec: docker-engine-api-v1.51.yaml, SystemAuth.
struct AuthResult {
  std::string identity_token;  ///< what the registry gave in place of the password, or ""
  std::string status;          ///< "Login Succeeded"
  static void describe(auto& self, auto&& field) {
    field("IdentityToken", self.identity_token);
    field("Status", self.status);
  }
};

/// What the daemon asks of registries.
class Registry {
 public:
  virtual ~Registry() = default;
  /// Throws unauthorized when the registry says no, invalid for what is no address, system when it can't be asked.
  virtual Task<AuthResult> authenticate(AuthConfig credentials) = 0;
};

}  // namespace berth::engine
