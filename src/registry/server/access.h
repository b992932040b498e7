#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/async/async.h"
#include "base/http/handler.h"
#include "registry/server/passwords.h"
#include "registry/server/rights.h"
#include "registry/server/target.h"
#include "registry/server/token.h"

namespace berth::registry::server {

/// Who asks, and what they may do. Good as long as its Access.
class Caller {
 public:
  Caller(std::string user, const Rights* rights) : user_(std::move(user)), rights_(rights) {}
  Caller(TokenClaims token, const Rights* rights) : user_(token.subject), rights_(rights), token_(std::move(token)) {}

  const std::string& user() const { return user_; }  ///< "" is nobody
  Actions may(std::string_view repository) const {
    return token_ ? token_->may(repository) : rights_->of(user_, repository);
  }
  /// Whether the list of repositories shows this one.
  bool sees(std::string_view repository) const { return rights_ == nullptr || rights_->of(user_, repository).pull; }
  bool sees_all() const { return rights_ == nullptr || rights_->reads_all(user_); }
  /// Blobs of any repository may be shown to those only who may read each.
  bool reads_all() const { return !token_ && rights_->reads_all(user_); }
  const std::optional<TokenClaims>& token() const { return token_; }

 private:
  std::string user_;
  const Rights* rights_;  ///< null: a foreign token alone says everything
  std::optional<TokenClaims> token_;
};

/// Who may come in. Either everybody; or users of a file, by password or by a token that they get for it at /token; or
/// bearers of tokens that somebody else signs.
class Access {
 public:
  struct Rules {
    std::string htpasswd_file;  ///< "" lets everybody do everything, unless tokens are asked for
    std::string rights_file;    ///< see Rights; "" lets users do everything
    std::string realm = "Berth registry";
    bool anonymous_read = false;  ///< pulling needs no name
    bool only_basic = false;      ///< no tokens
    bool tls = false;             ///< the address of /token begins with https
    std::string token_realm;      ///< address of the token service, where it is not our own /token
    std::string token_service = "berth-registry", token_issuer = "berth-registry";
    std::string token_keys_file;  ///< certificates or public keys of somebody else who signs
    std::string own_key_file;     ///< our private key, made when needed
  };

  Access(Rules rules, async::BlockingPool& pool);  ///< throws invalid, system for files that are no good

  Caller nobody() const { return {"", &rights_}; }
  /// Throws Refusal 401 when what the request says about its sender is wrong.
  Task<Caller> identify(const http::Request& request);
  /// Throws Refusal 401 or 403 when the caller may not do that.
  void require(const Caller& caller, const http::Request& request, const Target& target) const;
  /// Value of WWW-Authenticate.
  std::string challenge(const http::Request& request, const Target& target) const;
  /// Hands out tokens. Spec: distribution's docs, "Token Authentication Specification" and "Oauth2 Token
  /// Authentication".
  Task<void> answer_token(const http::Request& request, http::ResponseStream& out);
  bool serves_tokens() const { return signer_.has_value(); }

 private:
  struct Wish {
    std::string user;
    std::vector<TokenGrant> scope;
    bool offline = false;
  };
  bool open() const { return !passwords_ && !keys_; }
  std::optional<TokenClaims> read_token(std::string_view text);
  Task<std::string> user_of(std::string_view authorization);
  Task<Wish> wish_of_get(const http::Request& request);
  Task<Wish> wish_of_post(const http::Request& request);
  std::vector<TokenGrant> granted(const Wish& wish) const;
  TokenClaims new_claims(const std::string& user, std::string_view audience, std::int64_t seconds) const;
  std::string refresh_audience() const;

  Rules rules_;
  Rights rights_;
  std::optional<Passwords> passwords_;
  std::optional<SigningKey> signer_;
  std::optional<VerifyingKeys> keys_;
  std::map<std::string, TokenClaims, std::less<>> verified_;  ///< tokens whose signature is right
};

}  // namespace berth::registry::server
