#include "registry/server/access.h"

#include "base/core/base64.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/core/time.h"
#include "base/sys/file.h"
#include "registry/server/errors.h"

namespace berth::registry::server {

namespace {

constexpr std::size_t kMostVerified = 1024;
constexpr std::int64_t kLeewaySeconds = 60;  ///< clocks differ

std::int64_t seconds_now() { return std::chrono::floor<std::chrono::seconds>(now()).time_since_epoch().count(); }

Refusal unauthorized() { return {401, "UNAUTHORIZED", "authentication required"}; }

Rights read_rights(const Access::Rules& rules) {
  if (rules.rights_file.empty()) {
    const bool everybody = rules.htpasswd_file.empty() && rules.token_keys_file.empty();
    return Rights{everybody ? Actions::all() : Actions{.pull = rules.anonymous_read}};
  }
  try {
    return Rights::parse(sys::read_file(rules.rights_file));
  } catch (Error& error) {
    error.during(rules.rights_file);
    throw;
  }
}

Actions wanted_of(const http::Request& request, const Target& target) {
  const bool upload = target.kind == Target::Kind::uploads || target.kind == Target::Kind::upload;
  if (upload || request.method == "PUT" || request.method == "POST" || request.method == "PATCH") {
    return {.pull = true, .push = true};
  }
  if (request.method == "DELETE") return {.remove = true};
  return {.pull = true};
}

/// "Basic xyz" for `scheme` "basic" is "xyz".
std::optional<std::string_view> after_scheme(std::string_view header, std::string_view scheme) {
  if (header.size() <= scheme.size() || !iequals(header.substr(0, scheme.size()), scheme)) return std::nullopt;
  if (header[scheme.size()] != ' ') return std::nullopt;
  return trim(header.substr(scheme.size()));
}

}  // namespace

Access::Access(Rules rules, async::BlockingPool& pool) : rules_(std::move(rules)), rights_(read_rights(rules_)) {
  if (!rules_.token_keys_file.empty()) {
    if (!rules_.htpasswd_file.empty() || rules_.token_realm.empty()) {
      throw invalid("tokens that somebody else signs need the address of their service, and no file of users");
    }
    try {
      keys_.emplace(sys::read_file(rules_.token_keys_file));
    } catch (Error& error) {
      error.during(rules_.token_keys_file);
      throw;
    }
    return;
  }
  if (rules_.htpasswd_file.empty()) {
    if (!rules_.rights_file.empty()) throw invalid("a file of rights needs a file of users");
    return;
  }
  passwords_.emplace(rules_.htpasswd_file, pool);
  if (rules_.only_basic) return;
  signer_ = SigningKey::open(rules_.own_key_file);
  keys_.emplace(signer_->key());
}

std::optional<TokenClaims> Access::read_token(std::string_view text) {
  auto known = verified_.find(text);
  if (known == verified_.end()) {
    std::optional<TokenClaims> claims = keys_->verify(text);
    if (!claims || claims->issuer != rules_.token_issuer) return std::nullopt;
    if (verified_.size() >= kMostVerified) verified_.clear();
    known = verified_.emplace(std::string{text}, std::move(*claims)).first;
  }
  const TokenClaims& claims = known->second;
  const std::int64_t time = seconds_now();
  if (claims.expires + kLeewaySeconds < time || claims.not_before - kLeewaySeconds > time) return std::nullopt;
  return claims;
}

/// The name in a Basic header, when its password is right.
Task<std::string> Access::user_of(std::string_view authorization) {
  const auto encoded = after_scheme(authorization, "basic");
  const auto pair = encoded ? decode_any_base64(*encoded) : std::nullopt;
  const std::size_t colon = pair ? pair->find(':') : std::string::npos;
  if (colon == std::string::npos || colon == 0 || !passwords_) throw unauthorized();
  std::string user = pair->substr(0, colon);
  if (!co_await passwords_->is_right(user, pair->substr(colon + 1))) throw unauthorized();
  co_return user;
}

Task<Caller> Access::identify(const http::Request& request) {
  const Rights* rights = signer_ || !keys_ ? &rights_ : nullptr;
  const auto header = request.header("authorization");
  if (open() || !header) co_return nobody();
  if (const auto token = after_scheme(*header, "bearer"); token && keys_) {
    std::optional<TokenClaims> claims = read_token(*token);
    if (!claims || !claims->is_for(rules_.token_service)) {
      throw Refusal{401, "UNAUTHORIZED", "invalid token"};
    }
    co_return Caller{std::move(*claims), rights};
  }
  std::string user = co_await user_of(*header);
  co_return Caller{std::move(user), &rights_};
}

void Access::require(const Caller& caller, const http::Request& request, const Target& target) const {
  using Kind = Target::Kind;
  if (open()) return;
  // Anybody gets a token, also for no name: it names its bearer only when it has a subject.
  const bool bears_token = caller.token().has_value(), is_user = !caller.user().empty();
  switch (target.kind) {
    case Kind::token:
    case Kind::unknown: return;  // says who one is; is nothing
    case Kind::base:
      // Clients find out here how to log in, so also those who may read without a name must be asked. Where there are
      // only passwords they would give up then.
      if (!bears_token && !is_user && (keys_ || !rights_.reads_all(""))) throw unauthorized();
      return;
    case Kind::catalog:
      if (bears_token ? !caller.token()->may_list() : !is_user && !caller.sees_all()) throw unauthorized();
      return;
    case Kind::metrics:
      if (!is_user && !rights_.reads_all("")) throw unauthorized();
      return;
    case Kind::manifest:
    case Kind::blob:
    case Kind::uploads:
    case Kind::upload:
    case Kind::tags:
    case Kind::referrers: break;
  }
  if (caller.may(target.repository).covers(wanted_of(request, target))) return;
  // With a token more may be asked for; a password's rights are what they are.
  if (bears_token || !is_user) throw unauthorized();
  throw Refusal{403, "DENIED", "requested access to the resource is denied"};
}

std::string Access::challenge(const http::Request& request, const Target& target) const {
  if (!keys_ || target.kind == Target::Kind::token) return cat("Basic realm=", quoted(rules_.realm));
  std::string realm = rules_.token_realm;
  if (realm.empty()) {
    // A proxy in front of us may be who speaks TLS.
    const bool tls = rules_.tls || request.header("x-forwarded-proto") == "https";
    realm = cat(tls ? "https://" : "http://", request.header("host").value_or("localhost"), "/token");
  }
  std::string text = cat("Bearer realm=", quoted(realm), ",service=", quoted(rules_.token_service));
  if (target.kind == Target::Kind::catalog) {
    text += ",scope=\"registry:catalog:*\"";
  } else if (!target.repository.empty()) {
    text += cat(",scope=\"repository:", target.repository, ":", join(names_of(wanted_of(request, target)), ","), "\"");
  }
  const auto header = request.header("authorization");
  const auto token = header ? after_scheme(*header, "bearer") : std::nullopt;
  if (token) text += verified_.contains(*token) ? ",error=\"insufficient_scope\"" : ",error=\"invalid_token\"";
  return text;
}

}  // namespace berth::registry::server
