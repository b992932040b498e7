#include "registry/client/login.h"

#include <algorithm>
#include <optional>

#include "base/core/error.h"
#include "base/core/text.h"
#include "registry/client/challenge.h"
#include "registry/client/http.h"
#include "registry/client/token.h"

namespace berth::registry {

namespace {

constexpr std::chrono::seconds kPatience{15};  // dockerd's, once for finding the registry and once for the rest
constexpr std::string_view kHub = "registry-1.docker.io";

http_client::Deadline from_now() { return std::chrono::steady_clock::now() + kPatience; }

/// One address at which the registry may be, and how to talk to it.
class Endpoint {
 public:
  Endpoint(const Policy& policy, Url base, http_client::TlsOptions tls)
      : policy_(policy), base_(std::move(base)), tls_(std::move(tls)) {}

  /// Throws unavailable when nobody speaks HTTP there.
  HttpAnswer ping() const { return fetch(policy_.proxies, {.url = base_}, tls_, from_now()); }
  std::string log_in(const HttpAnswer& first, const Credentials& credentials) const;

 private:
  std::string authorization(const std::vector<Challenge>& challenges, const Credentials& credentials,
                            std::string& identity, http_client::Deadline deadline) const;

  const Policy& policy_;
  Url base_;
  http_client::TlsOptions tls_;
};

/// Value of the Authorization header; "" when the registry asks for nothing that is known here.
std::string Endpoint::authorization(const std::vector<Challenge>& challenges, const Credentials& credentials,
                                    std::string& identity, http_client::Deadline deadline) const {
  const auto of = [&](std::string_view scheme) { return std::ranges::find(challenges, scheme, &Challenge::scheme); };
  if (const auto bearer = of("bearer"); bearer != challenges.end()) {
    const Tokens tokens = fetch_tokens(policy_, base_, *bearer, credentials, "", Offline::wanted, tls_, deadline);
    if (!tokens.refresh_token.empty()) identity = tokens.refresh_token;
    return cat("Bearer ", tokens.token);
  }
  if (of("basic") == challenges.end()) return "";
  if (!has_password(credentials)) throw system_error("no basic auth credentials");
  return basic_authorization(credentials);
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
  const HttpAnswer answer = request.headers.empty() ? first : fetch(policy_.proxies, request, tls_, deadline);
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
