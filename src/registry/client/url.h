#pragma once

#include <string>
#include <string_view>

namespace berth::registry {

/// An absolute http or https address, taken apart.
struct Url {
  std::string scheme;     ///< "http", "https"
  std::string host;       ///< as a name or address, without brackets
  std::string port;       ///< always there: 80 and 443 when not given
  std::string authority;  ///< host and port as given, for the Host header and for messages
  std::string target;     ///< path and query, at least "/"

  std::string text() const { return scheme + "://" + authority + target; }
  /// The same scheme, host and port: what was meant for one is meant for the other.
  bool same_origin(const Url& other) const {
    return scheme == other.scheme && host == other.host && port == other.port;
  }
};

/// Throws invalid with the text of Go's url.Parse: "parse \"https://bad host\": invalid character \" \" in host name".
Url parse_url(std::string_view text);

}  // namespace berth::registry
