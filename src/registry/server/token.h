#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json/json.h"
#include "registry/server/rights.h"

/// Bearer tokens as registries use them: JSON Web Tokens (RFC 7519) whose "access" says what the bearer may do.
/// Spec: distribution's docs, "Token Authentication Implementation".
namespace berth::registry::server {

struct TokenGrant {
  std::string type = "repository", name;
  std::vector<std::string> actions;
  static void describe(auto& self, auto&& field) {
    field("type", self.type);
    field("name", self.name);
    field("actions", self.actions);
  }
};

struct TokenClaims {
  std::string issuer, subject;
  json::Raw audience;  ///< a text or a list of them
  std::int64_t expires = 0, not_before = 0, issued = 0;
  std::string id;
  std::string password;  ///< Passwords::fingerprint(), in refresh tokens: another password ends them
  std::vector<TokenGrant> access;
  static void describe(auto& self, auto&& field) {
    field("iss", self.issuer);
    field("sub", self.subject);
    field("aud", self.audience);
    field("exp", self.expires);
    field("nbf", self.not_before, json::omit_empty);
    field("iat", self.issued, json::omit_empty);
    field("jti", self.id, json::omit_empty);
    field("pwd", self.password, json::omit_empty);
    field("access", self.access);
  }

  bool is_for(std::string_view service) const;
  Actions may(std::string_view repository) const;
  bool may_list() const;  ///< "registry:catalog:*"
};

/// What a client asks a token service for: "repository:team/app:pull,push", several apart by spaces. What is none of
/// these is left out.
std::vector<TokenGrant> parse_scope(std::string_view text);

struct FreeKey {
  void operator()(void* key) const;
};
using KeyPtr = std::shared_ptr<void>;  ///< an EVP_PKEY

/// A private key of ours (P-256), kept in a file.
class SigningKey {
 public:
  /// Makes it, when it isn't there. Throws system, and invalid for a file that is something else.
  static SigningKey open(const std::string& path);
  std::string sign(const TokenClaims& claims) const;  ///< ES256
  const KeyPtr& key() const { return key_; }

 private:
  explicit SigningKey(KeyPtr key) : key_(std::move(key)) {}
  KeyPtr key_;
};

/// Public keys, each of which is good for signing tokens.
class VerifyingKeys {
 public:
  explicit VerifyingKeys(KeyPtr key) { keys_.push_back(std::move(key)); }
  /// Certificates or public keys in PEM. Throws invalid when there is none.
  explicit VerifyingKeys(std::string_view pem);

  /// Signature only (ES256, RS256): the caller looks at issuer, audience and times. nullopt for anything else.
  std::optional<TokenClaims> verify(std::string_view token) const;

 private:
  std::vector<KeyPtr> keys_;
};

}  // namespace berth::registry::server
