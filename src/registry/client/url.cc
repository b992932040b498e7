#include "registry/client/url.h"

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::registry {

namespace {

[[noreturn]] void refuse(std::string_view text, std::string_view reason) {
  throw invalid(cat("parse ", quoted(text), ": ", reason));
}

/// Whatever could end a header line or a host name early has no place in either.
void check_characters(std::string_view text, std::string_view authority) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) refuse(text, "net/url: invalid control character in URL");
  }
  for (const char c : authority) {
    if (std::string_view{" \"<>\\^`{|}#?"}.find(c) != std::string_view::npos) {
      refuse(text, cat("invalid character ", quoted(std::string_view{&c, 1}), " in host name"));
    }
  }
}

}  // namespace

Url parse_url(std::string_view text) {
  Url url;
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) refuse(text, "missing protocol scheme");
  url.scheme = to_lower(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https")
    refuse(text, cat("unsupported protocol scheme ", quoted(url.scheme)));
  std::string_view rest = text.substr(colon + 3);
  const std::size_t end = rest.find_first_of("/?#");
  std::string_view authority = rest.substr(0, end);
  std::string_view target = end == std::string_view::npos ? std::string_view{} : rest.substr(end);
  target = target.substr(0, target.find('#'));
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);
  check_characters(text, authority);
  url.authority = authority;
  url.target = cat(target.starts_with('/') ? "" : "/", target);
  for (std::size_t at; (at = url.target.find(' ')) != std::string::npos;) url.target.replace(at, 1, "%20");

  std::size_t port_at = 0;
  if (authority.starts_with('[')) {
    const std::size_t bracket = authority.find(']');
    if (bracket == std::string_view::npos) refuse(text, "missing ']' in host");
    url.host = authority.substr(1, bracket - 1);
    port_at = bracket + 1;
  } else {
    port_at = std::min(authority.find(':'), authority.size());
    url.host = authority.substr(0, port_at);
  }
  const std::string_view port = authority.substr(port_at);
  if (port.size() > 1) {
    url.port = port.substr(1);
    if (port[0] != ':' || !parse_number<std::uint16_t>(url.port)) {
      refuse(text, cat("invalid port ", quoted(port), " after host"));
    }
  } else {
    url.port = url.scheme == "https" ? "443" : "80";
  }
  return url;
}

}  // namespace berth::registry
