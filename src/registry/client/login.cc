#include "registry/client/login.h"

#include <algorithm>
#include <optional>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/http_client/escape.h"
#include "base/json/json.h"
#include "registry/client/challenge.h"
#include "registry/client/http.h"
#include "registry/client/token_error.h"

namespace berth::registry {

namespace {

using http_client::base64;
using http_client::escape_url;

constexpr std::chrono::seconds kPatience{15};  // dockerd's, once for finding the registry and once for the rest
constexpr std::string_view kHub = "registry-1.docker.io";

http_client::Deadline from_now() { return std::chrono::steady_clock::now() + kPatience; }

struct TokenAnswer {
  std::string token, access_token, refresh_token;
  static void describe(auto& self, auto&& field) {
    field("token", self.token);
    field("access_token", self.access_token);
    field("refresh_token", self.refresh_token);
  }
};

std::string basic(const Credentials& credentials) {
  return cat("Basic ", base64(cat(credentials.username, ":", credentials.password)));
}

bool has_password(const Credentials& credentials) {
  return !credentials.username.empty() && !credentials.password.empty();
}

/// One address at which the registry may be, and how to talk to it.
class Endpoint {
 public:
  Endpoint(const Policy& policy, Url base, http_client::TlsOptions tls)
      : policy_(policy), base_(std::move(base)), tls_(std::move(tls)) {}

  /// Throws unavailable when nobody speaks HTTP there.
  HttpAnswer ping() const { return fetch({.url = base_}, tls_, from_now()); }
  std::string log_in(const HttpAnswer& first, const Credentials& credentials) const;

 private:
  HttpRequest token_request(const Challenge& challenge, const Credentials& credentials) const;
  TokenAnswer fetch_token(const Challenge& challenge, const Credentials& credentials,
                          http_client::Deadline deadline) const;
  std::string authorization(const std::vector<Challenge>& challenges, const Credentials& credentials,
                            std::string& identity, http_client::Deadline deadline) const;

  const Policy& policy_;
  Url base_;
  http_client::TlsOptions tls_;
};

HttpRequest Endpoint::token_request(const Challenge& challenge, const Credentials& credentials) const {
  HttpRequest request{.url = parse_url(challenge.parameter("realm")), .headers = {}, .form = {}, .body = Body::wanted};
  if (base_.scheme == "https" && request.url.scheme != "https" &&
      !is_insecure(policy_, request.url.authority, request.url.host)) {
    throw system_error(cat("refused to send credentials to ", quoted(request.url.text()), " without encryption"));
  }
  const std::string service = escape_url(challenge.parameter("service"));
  if (!credentials.identity_token.empty()) {
    request.method = "POST";
    request.form =
        cat("client_id=docker&grant_type=refresh_token&refresh_token=", escape_url(credentials.identity_token),
            "&scope=&service=", service);
    return request;
  }
  std::string query = "client_id=docker&offline_token=true";
  if (has_password(credentials)) {
    query = cat("account=", escape_url(credentials.username), "&", query);
    request.headers.emplace_back("Authorization", basic(credentials));
  }
  if (!service.empty()) query += cat("&service=", service);
  request.url.target += cat(request.url.target.find('?') == std::string::npos ? "?" : "&", query);
  return request;
}

TokenAnswer Endpoint::fetch_token(const Challenge& challenge, const Credentials& credentials,
                                  http_client::Deadline deadline) const {
  const HttpAnswer answer = fetch(token_request(challenge, credentials), tls_, deadline);
  if (answer.status < 200 || answer.status > 299) throw error_of(answer);
  auto tokens = [&] {
    try {
      return json::from_json<TokenAnswer>(answer.body);
    } catch (const Error& error) {
      throw system_error(cat("unable to decode token response: ", error.text()));
    }
  }();
  if (!tokens.access_token.empty()) tokens.token = tokens.access_token;
  if (tokens.token.empty()) throw system_error("authorization server did not include a token in the response");
  return tokens;
}

/// Value of the Authorization header; "" when the registry asks for nothing that is known here.
std::string Endpoint::authorization(const std::vector<Challenge>& challenges, const Credentials& credentials,
                                    std::string& identity, http_client::Deadline deadline) const {
  const auto of = [&](std::string_view scheme) { return std::ranges::find(challenges, scheme, &Challenge::scheme); };
  if (const auto bearer = of("bearer"); bearer != challenges.end()) {
    const TokenAnswer tokens = fetch_token(*bearer, credentials, deadline);
    if (!tokens.refresh_token.empty()) identity = tokens.refresh_token;
    return cat("Bearer ", tokens.token);
  }
  if (of("basic") == challenges.end()) return "";
  if (!has_password(credentials)) throw system_error("no basic auth credentials");
  return basic(credentials);
}

std::string Endpoint::log_in(const HttpAnswer& first, const Credentials& credentials) const {
  const http_client::Deadline deadline = from_now();
  std::string identity = credentials.identity_token;
  std::vector<Challenge> challenges;
  if (first.status == 401) {
    for (const std::string& header : first.all("www-authenticate")) {
      std::ranges::move(parse_challenges(header), std::back_inserter(challenges));
    }
  }
  HttpRequest request{.url = base_};
  try {
    const std::string value = authorization(challenges, credentials, identity, deadline);
    if (!value.empty()) request.headers.emplace_back("Authorization", value);
  } catch (Error& error) {
    error.during(cat("Get ", quoted(base_.text())));
    throw;
  }
  const HttpAnswer answer = request.headers.empty() ? first : fetch(request, tls_, deadline);
  if (answer.status == 200) return identity;
  throw Error{answer.status == 401 ? ErrorKind::unauthorized : ErrorKind::system,
              cat("login attempt to ", base_.text(), " failed with status: ", answer.status_text)};
}

/// The registry's "host:port" out of what users write.
std::string authority_of(const std::string& server) {
  const bool has_scheme = server.starts_with("https://") || server.starts_with("http://");
  try {
    std::string authority = parse_url(has_scheme ? server : cat("https://", server)).authority;
    return authority == "index.docker.io" || authority == "docker.io" ? std::string{kHub} : authority;
  } catch (Error& error) {
    error.during("unable to parse server address");
    throw;
  }
}

std::vector<Endpoint> endpoints_of(const Policy& policy, const std::string& authority) {
  const Url https = parse_url(cat("https://", authority, "/v2/"));
  http_client::TlsOptions tls = tls_options(policy, authority);
  if (!is_insecure(policy, authority, https.host)) return {Endpoint{policy, https, tls}};
  tls.verify = false;
  return {Endpoint{policy, https, tls}, Endpoint{policy, parse_url(cat("http://", authority, "/v2/")), tls}};
}

}  // namespace

std::string login(const Policy& policy, const std::string& server, const Credentials& credentials) {
  const std::string authority = server.empty() ? std::string{kHub} : authority_of(server);
  std::string failure;
  for (const Endpoint& endpoint : endpoints_of(policy, authority)) {
    std::optional<HttpAnswer> first;
    try {
      first = endpoint.ping();
    } catch (const Error& error) {
      failure = error.text();
      continue;  // perhaps it speaks HTTP
    }
    try {
      return endpoint.log_in(*first, credentials);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::unauthorized) throw;
      throw system_error(error.text());  // whatever the registry said, the request to Berth was all right
    }
  }
  throw system_error(failure);
}

}  // namespace berth::registry
