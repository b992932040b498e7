#include "registry/client/search.h"

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/http_client/escape.h"
#include "base/json/json.h"
#include "registry/client/http.h"
#include "registry/client/token.h"

namespace berth::registry {

namespace {

constexpr std::string_view kHubIndex = "index.docker.io";
constexpr std::chrono::seconds kPatience{15};

struct Found {
  std::vector<SearchResult> results;
  static void describe(auto& self, auto&& field) { field("results", self.results); }
};

/// ("host:5000", "team/app") of "host:5000/team/app"; Docker Hub's index for what names no host.
std::pair<std::string, std::string> split_term(const std::string& term) {
  const std::size_t slash = term.find('/');
  const std::string first = term.substr(0, slash);
  const bool is_host =
      slash != std::string::npos && (first.find_first_of(".:") != std::string::npos || first == "localhost");
  if (!is_host) return {std::string{kHubIndex}, term};
  const bool hub = first == "docker.io" || first == kHubIndex;
  return {hub ? std::string{kHubIndex} : first, term.substr(slash + 1)};
}

HttpAnswer ask(const Policy& policy, const std::string& authority, const std::string& target,
               const Credentials& credentials) {
  HttpRequest request{
      .url = parse_url(cat("https://", authority, target)), .headers = {}, .form = {}, .body = Body::wanted};
  if (has_password(credentials)) request.headers.emplace_back("Authorization", basic_authorization(credentials));
  http_client::TlsOptions tls = tls_options(policy, authority);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  if (!is_insecure(policy, authority, request.url.host)) return fetch(policy.proxies, request, tls, deadline);
  tls.verify = false;
  try {
    return fetch(policy.proxies, request, tls, deadline);
  } catch (const Error&) {
    request.url = parse_url(cat("http://", authority, target));
    return fetch(policy.proxies, request, {}, deadline);
  }
}

bool fits(const SearchResult& result, const SearchRequest& request) {
  return (!request.official || result.is_official == *request.official) &&
         (!request.automated || result.is_automated == *request.automated) && result.star_count >= request.least_stars;
}

}  // namespace

std::vector<SearchResult> search(const Policy& policy, const SearchRequest& request) {
  if (request.term.find("://") != std::string::npos) {
    throw invalid("invalid repository name: repository name (" + request.term + ") should not have a scheme");
  }
  const auto [authority, term] = split_term(request.term);
  const std::string target = cat("/v1/search?q=", http_client::escape_url(term), "&n=", request.limit);
  HttpAnswer answer;
  try {
    answer = ask(policy, authority, target, request.credentials);
  } catch (const Error& error) {
    throw system_error(error.text());  // the request to Berth was all right
  }
  if (answer.status != 200) throw system_error(cat("Unexpected status code ", answer.status));
  std::vector<SearchResult> chosen;
  for (SearchResult& result : json::from_json<Found>(answer.body).results) {
    if (fits(result, request)) chosen.push_back(std::move(result));
  }
  return chosen;
}

}  // namespace berth::registry
