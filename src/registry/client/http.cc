#include "registry/client/http.h"

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/http_client/reply.h"
#include "registry/client/answer.h"
#include "registry/client/connections.h"

namespace berth::registry {

namespace {

constexpr std::size_t kBodyLimit = 1 << 20;
constexpr int kMostRedirects = 5;

HttpAnswer fetch_one(const Proxies& proxies, const HttpRequest& request, const http_client::TlsOptions& tls,
                     http_client::Deadline deadline) {
  Call call{.method = request.method, .url = request.url, .headers = request.headers, .body = request.form};
  call.headers.emplace_back("Connection", "close");
  if (request.method == "POST") call.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  http_client::Reply reply{open_stream(proxies, request.url, tls, deadline)};
  reply.connection().write(request_text(call, proxies));
  reply.receive_head(false);
  HttpAnswer answer{.status = reply.status,
                    .status_text = cat(reply.status, reply.reason.empty() ? "" : " ", reply.reason),
                    .headers = reply.headers,
                    .body = {}};
  if (request.body == Body::wanted) answer.body = reply.read_all(kBodyLimit);
  return answer;
}

Url redirect_target(const Url& from, const HttpAnswer& answer) {
  const std::vector<std::string> places = answer.all("location");
  if (places.empty()) throw system_error(cat(answer.status, " response missing Location header"));
  const Url to = parse_url(places[0].starts_with('/') && !places[0].starts_with("//")
                               ? cat(from.scheme, "://", from.authority, places[0])
                               : places[0]);
  const bool upgraded = from.scheme == "http" && to.scheme == "https" && from.host == to.host;
  if (!to.same_origin(from) && !upgraded) throw system_error(cat("refused the redirect to ", quoted(to.text())));
  return to;
}

/// "Get" for the method, as Go's client names it.
std::string verb(const std::string& method) { return method == "POST" ? "Post" : "Get"; }

}  // namespace

std::vector<std::string> HttpAnswer::all(std::string_view lower_name) const {
  std::vector<std::string> values;
  for (const auto& [name, value] : headers) {
    if (name == lower_name) values.push_back(value);
  }
  return values;
}

HttpAnswer fetch(const Proxies& proxies, const HttpRequest& request, const http_client::TlsOptions& tls,
                 http_client::Deadline deadline) {
  HttpRequest current = request;
  try {
    for (int redirects = 0;; ++redirects) {
      HttpAnswer answer = fetch_one(proxies, current, tls, deadline);
      if (!is_redirect(answer.status) || request.method != "GET") return answer;
      if (redirects == kMostRedirects) throw system_error(cat("stopped after ", kMostRedirects, " redirects"));
      current.url = redirect_target(current.url, answer);
    }
  } catch (const Error& error) {
    const bool late = error.error_number() == ETIMEDOUT && std::chrono::steady_clock::now() >= deadline;
    const bool cut = error.kind() == ErrorKind::unavailable || error.error_number() != 0;
    throw Error{cut ? ErrorKind::unavailable : ErrorKind::system,
                cat(verb(request.method), " ", quoted(request.url.text()), ": ",
                    late ? "context deadline exceeded (Client.Timeout exceeded while awaiting headers)" : error.text()),
                error.error_number()};
  }
}

}  // namespace berth::registry
