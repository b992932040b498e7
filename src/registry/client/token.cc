#include "registry/client/token.h"

#include <cerrno>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/http_client/escape.h"
#include "base/json/json.h"
#include "registry/client/answer.h"
#include "registry/client/http.h"
#include "registry/client/token_error.h"

namespace berth::registry {

namespace {

using http_client::base64;
using http_client::escape_url;

struct TokenAnswer {
  std::string token, access_token, refresh_token;
  int expires_in = 0;
  static void describe(auto& self, auto&& field) {
    field("token", self.token);
    field("access_token", self.access_token);
    field("refresh_token", self.refresh_token);
    field("expires_in", self.expires_in);
  }
};

HttpRequest token_request(const Policy& policy, const Url& registry, const Challenge& challenge,
                          const Credentials& credentials, const std::string& scope, Offline offline) {
  HttpRequest request{.url = parse_url(challenge.parameter("realm")), .headers = {}, .form = {}, .body = Body::wanted};
  if (registry.scheme == "https" && request.url.scheme != "https" &&
      !is_insecure(policy, request.url.authority, request.url.host)) {
    throw system_error(cat("refused to send credentials to ", quoted(request.url.text()), " without encryption"));
  }
  const std::string service = escape_url(challenge.parameter("service"));
  if (!credentials.identity_token.empty()) {
    request.method = "POST";
    request.form =
        cat("client_id=docker&grant_type=refresh_token&refresh_token=", escape_url(credentials.identity_token),
            "&scope=", escape_url(scope), "&service=", service);
    return request;
  }
  std::vector<std::string> query;
  if (has_password(credentials)) {
    query.push_back(cat("account=", escape_url(credentials.username)));
    request.headers.emplace_back("Authorization", basic_authorization(credentials));
  }
  if (offline == Offline::wanted) query.emplace_back("client_id=docker&offline_token=true");
  if (!scope.empty()) query.push_back(cat("scope=", escape_url(scope)));
  if (!service.empty()) query.push_back(cat("service=", service));
  if (query.empty()) return request;
  request.url.target += cat(request.url.target.find('?') == std::string::npos ? "?" : "&", join(query, "&"));
  return request;
}

}  // namespace

bool has_password(const Credentials& credentials) {
  return !credentials.username.empty() && !credentials.password.empty();
}

std::string basic_authorization(const Credentials& credentials) {
  return cat("Basic ", base64(cat(credentials.username, ":", credentials.password)));
}

Tokens fetch_tokens(const Policy& policy, const Url& registry, const Challenge& challenge,
                    const Credentials& credentials, const std::string& scope, Offline offline,
                    const http_client::TlsOptions& tls, http_client::Deadline deadline) {
  const HttpAnswer answer =
      fetch(policy.proxies, token_request(policy, registry, challenge, credentials, scope, offline), tls, deadline);
  if (answer.status < 200 || answer.status > 299) {
    const Error error = error_of(answer);
    throw Error{error.kind(), error.text(), is_passing(answer.status) ? EAGAIN : 0};
  }
  TokenAnswer given;
  try {
    given = json::from_json<TokenAnswer>(answer.body);
  } catch (const Error& error) {
    throw system_error(cat("unable to decode token response: ", error.text()));
  }
  Tokens tokens{.token = given.access_token.empty() ? given.token : given.access_token,
                .refresh_token = given.refresh_token,
                .expires_in = given.expires_in};
  if (tokens.token.empty()) throw system_error("authorization server did not include a token in the response");
  return tokens;
}

}  // namespace berth::registry
