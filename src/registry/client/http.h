#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/http_client/connection.h"
#include "base/http_client/tls.h"
#include "registry/client/proxy.h"
#include "registry/client/url.h"

namespace berth::registry {

struct HttpAnswer {
  int status = 0;
  std::string status_text;                                   ///< "401 Unauthorized"
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
  std::string body;

  std::vector<std::string> all(std::string_view lower_name) const;
};

enum class Body { ignored, wanted };

struct HttpRequest {
  std::string method = "GET";
  Url url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string form;           ///< body of a POST, application/x-www-form-urlencoded
  Body body = Body::ignored;  ///< of the answer; at most 1 MiB is taken
};

/// One request on a connection of its own. Redirects are followed as long as they stay with the same server (or go from
/// its http to its https); another server has no business with what is asked here. Throws unavailable, and system for
/// an answer that is none, with Go's words behind `Get "URL": `.
HttpAnswer fetch(const Proxies& proxies, const HttpRequest& request, const http_client::TlsOptions& tls,
                 http_client::Deadline deadline);

}  // namespace berth::registry
