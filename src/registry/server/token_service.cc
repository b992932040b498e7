#include "base/core/text.h"
#include "base/core/time.h"
#include "registry/server/access.h"
#include "registry/server/errors.h"
#include "registry/server/names.h"

/// The part of Access that hands tokens out.
namespace berth::registry::server {

namespace {

constexpr std::int64_t kTokenSeconds = 300, kRefreshSeconds = std::int64_t{90} * 24 * 3600;
constexpr std::size_t kMostFormBytes = 64 << 10;
constexpr std::size_t kIdBytes = 16;

struct TokenAnswer {
  std::string token, access_token, refresh_token, issued_at;
  std::int64_t expires_in = kTokenSeconds;
  static void describe(auto& self, auto&& field) {
    field("token", self.token);
    field("access_token", self.access_token);
    field("refresh_token", self.refresh_token, json::omit_empty);
    field("expires_in", self.expires_in);
    field("issued_at", self.issued_at);
  }
};

std::vector<TokenGrant> scope_of(const http::Query& query) { return parse_scope(join(query.all("scope"), " ")); }

}  // namespace

/// Another audience than that of access tokens: neither is good for the other's work.
std::string Access::refresh_audience() const { return cat(rules_.token_service, "/token"); }

TokenClaims Access::new_claims(const std::string& user, std::string_view audience, std::int64_t seconds) const {
  TokenClaims claims;
  claims.issuer = rules_.token_issuer;
  claims.subject = user;
  json::write_string(claims.audience.text, audience);
  claims.issued = std::chrono::floor<std::chrono::seconds>(now()).time_since_epoch().count();
  claims.not_before = claims.issued;
  claims.expires = claims.issued + seconds;
  claims.id = random_hex(kIdBytes);
  return claims;
}

Task<Access::Wish> Access::wish_of_get(const http::Request& request) {
  const http::Query query = http::Query::parse(request.query_text);
  Wish wish{.user = {}, .scope = scope_of(query), .offline = query.text("offline_token") == "true"};
  if (const auto header = request.header("authorization")) wish.user = co_await user_of(*header);
  co_return wish;
}

Task<Access::Wish> Access::wish_of_post(const http::Request& request) {
  const std::string form = co_await request.body->read_all(kMostFormBytes);
  const http::Query query = http::Query::parse(form);
  Wish wish{.user = {}, .scope = scope_of(query), .offline = query.text("access_type") == "offline"};
  const std::string kind = query.text("grant_type");
  if (kind == "password") {
    wish.user = query.text("username");
    const bool right = co_await passwords_->is_right(wish.user, query.text("password"));
    if (!right || wish.user.empty()) throw Refusal{401, "UNAUTHORIZED", "authentication required"};
  } else if (kind == "refresh_token") {
    const std::optional<TokenClaims> claims = read_token(query.text("refresh_token"));
    if (!claims || !claims->is_for(refresh_audience()) ||
        passwords_->fingerprint(claims->subject) != claims->password) {
      throw Refusal{401, "UNAUTHORIZED", "the login is no longer good"};
    }
    wish.user = claims->subject;
  } else {
    throw Refusal{400, "UNSUPPORTED", cat("grant_type ", quoted(kind), " is not supported")};
  }
  co_return wish;
}

/// What the user may, of what is asked for. Who gets less than that learns it from the registry.
std::vector<TokenGrant> Access::granted(const Wish& wish) const {
  std::vector<TokenGrant> grants;
  for (const TokenGrant& asked : wish.scope) {
    if (asked.type == "registry" && asked.name == "catalog") {
      if (!wish.user.empty() || rights_.reads_all("")) grants.push_back(asked);
      continue;
    }
    if (asked.type != "repository" || !is_repository_name(asked.name)) continue;
    Actions wanted;
    for (const std::string& action : asked.actions) wanted = wanted | parse_action(action);
    const Actions given = wanted & rights_.of(wish.user, asked.name);
    if (!given.none()) grants.push_back({.type = asked.type, .name = asked.name, .actions = names_of(given)});
  }
  return grants;
}

Task<void> Access::answer_token(const http::Request& request, http::ResponseStream& out) {
  // A conditional expression with co_await in it is more than some compilers bear.
  Wish wish;
  if (request.method == "POST")
    wish = co_await wish_of_post(request);
  else
    wish = co_await wish_of_get(request);
  TokenClaims claims = new_claims(wish.user, rules_.token_service, kTokenSeconds);
  claims.access = granted(wish);
  TokenAnswer answer;
  answer.token = answer.access_token = signer_->sign(claims);
  answer.issued_at = format_time(now());
  if (wish.offline && !wish.user.empty()) {
    TokenClaims refresh = new_claims(wish.user, refresh_audience(), kRefreshSeconds);
    refresh.password = passwords_->fingerprint(wish.user).value_or("");
    answer.refresh_token = signer_->sign(refresh);
  }
  http::Response response = http::Response::json(200, json::to_json(answer));
  response.headers.push_back({"Cache-Control", "no-store"});
  co_await out.send(std::move(response));
}

}  // namespace berth::registry::server
