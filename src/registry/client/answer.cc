#include "registry/client/answer.h"

#include "base/core/text.h"
#include "registry/client/http.h"
#include "registry/client/token_error.h"

namespace berth::registry {

namespace {

constexpr std::size_t kErrorLimit = 64 << 10;

HttpAnswer answer_of(http_client::Reply& reply) {
  HttpAnswer answer{.status = reply.status,
                    .status_text = cat(reply.status, reply.reason.empty() ? "" : " ", reply.reason),
                    .headers = reply.headers,
                    .body = {}};
  try {
    answer.body = reply.read_all(kErrorLimit);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) throw;  // an error's text that can't be read is no text
  }
  return answer;
}

}  // namespace

Error failure_of(http_client::Reply& reply) {
  const HttpAnswer answer = answer_of(reply);
  Error error = error_of(answer);
  if (answer.status == 404) return not_found(error.text());
  return error;
}

bool is_passing(int status) {
  return status == 429 || status == 408 || (status >= 500 && status != 501 && status != 507);
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Url location_of(const Exchange& exchange, const http_client::Reply& reply) {
  const std::string place{reply.header("location")};
  if (place.empty()) throw system_error(cat(reply.status, " response missing Location header"));
  const Url& from = exchange.url();
  if (place.starts_with("//")) return parse_url(cat(from.scheme, ":", place));
  if (place.starts_with('/')) return parse_url(cat(from.scheme, "://", from.authority, place));
  if (place.find("://") != std::string::npos) return parse_url(place);
  const std::string_view path = std::string_view{from.target}.substr(0, from.target.find('?'));
  return parse_url(cat(from.scheme, "://", from.authority, path.substr(0, path.rfind('/') + 1), place));
}

}  // namespace berth::registry
