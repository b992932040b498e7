#include "registry/client/download.h"

#include <utility>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/http_client/escape.h"
#include "registry/client/answer.h"
#include "registry/client/url.h"

namespace berth::registry {

namespace {

constexpr int kMostRedirects = 10;        // as Go's client
constexpr std::size_t kMostWords = 4096;  ///< of a refusal, for the user

struct Address {
  Url url;
  std::string shown;          ///< with "xxxxx" for a password, as Go's URL.Redacted
  std::string authorization;  ///< of "user:password@", or ""
};

Address parse_address(std::string_view given) {
  const std::string text = given.find("://") == std::string_view::npos ? cat("http://", given) : std::string{given};
  Address address{.url = parse_url(text), .shown = text, .authorization = {}};
  if (address.url.host.empty()) {
    throw system_error(cat("Get ", quoted(cat(address.url.scheme, ":")), ": http: no Host in request URL"));
  }
  const std::size_t start = text.find("://") + 3;
  const std::string_view authority = std::string_view{text}.substr(start, text.find_first_of("/?#", start) - start);
  const std::size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return address;
  const std::string_view login = authority.substr(0, at);
  const std::size_t colon = login.find(':');
  const std::string user = http_client::unescape_url(login.substr(0, colon));
  const std::string password =
      colon == std::string_view::npos ? "" : http_client::unescape_url(login.substr(colon + 1));
  address.authorization = cat("Basic ", base64(cat(user, ":", password)));
  if (colon != std::string_view::npos) address.shown.replace(start + colon + 1, at - colon - 1, "xxxxx");
  return address;
}

ErrorKind kind_of(int status) {
  switch (status) {
    case 400: return ErrorKind::invalid;
    case 401: return ErrorKind::unauthorized;
    case 403: return ErrorKind::forbidden;
    case 404: return ErrorKind::not_found;
    default: return ErrorKind::system;
  }
}

/// What the server says of its refusal, as much as one reads.
std::string words_of(http_client::Reply& reply) {
  std::string words(kMostWords, '\0');
  std::size_t have = 0;
  while (have < words.size()) {
    const std::size_t got = reply.read(words.data() + have, words.size() - have);
    if (got == 0) break;
    have += got;
  }
  words.resize(have);
  return std::string{trim(words)};
}

}  // namespace

Download::Download(const Policy& policy, std::string_view address) : connections_(policy.proxies, policy.silence) {
  Address parsed = parse_address(address);
  call_.url = std::move(parsed.url);
  address_ = std::move(parsed.shown);
  if (!parsed.authorization.empty()) call_.headers.emplace_back("Authorization", std::move(parsed.authorization));
}

std::unique_ptr<Exchange> Download::follow() {
  for (int redirects = 0;; ++redirects) {
    const bool secure = call_.url.scheme == "https";
    std::unique_ptr<Exchange> exchange = connections_.start(call_, {.enabled = secure, .verify = secure});
    const http_client::Reply& reply = exchange->receive(false);
    if (!is_redirect(reply.status)) return exchange;
    if (redirects == kMostRedirects) {
      throw system_error(cat("Get ", quoted(reply.header("location")), ": stopped after ", redirects, " redirects"));
    }
    Url next;
    try {
      next = location_of(*exchange, reply);
    } catch (Error& error) {
      error.during(cat("Get ", quoted(call_.url.text())));
      throw;
    }
    if (!next.same_origin(call_.url)) call_.headers.clear();  // the login was for the first server
    call_.url = std::move(next);
  }
}

void Download::open() {
  try {
    exchange_ = follow();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::unavailable) throw;
    const bool unknown_host = error.text().find(": no such host") != std::string::npos;
    throw Error{unknown_host ? ErrorKind::not_found : ErrorKind::system, error.text(), error.error_number()};
  }
  http_client::Reply& reply = exchange_->reply();
  if (reply.status < 400) return;
  std::string text =
      cat("failed to GET ", address_, " with status ", reply.status, reply.reason.empty() ? "" : " ", reply.reason);
  try {
    text += cat(": ", words_of(reply));
  } catch (const Error&) {
    throw system_error(cat(text, ": error reading body"));
  }
  throw Error{kind_of(reply.status), text};
}

std::size_t Download::read(char* buffer, std::size_t size) { return exchange_->reply().read(buffer, size); }

std::uint64_t Download::size() const {
  return parse_number<std::uint64_t>(exchange_->reply().header("content-length")).value_or(0);
}

}  // namespace berth::registry
