#include "api/server/errors.h"

#include "base/json/json.h"

namespace berth::api {

int status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid: return 400;
    case ErrorKind::unauthorized: return 401;
    case ErrorKind::forbidden: return 403;
    case ErrorKind::not_found: return 404;
    case ErrorKind::conflict: return 409;
    case ErrorKind::not_modified: return 304;
    case ErrorKind::unavailable: return 503;
    case ErrorKind::not_implemented: return 501;
    case ErrorKind::system:
    case ErrorKind::cancelled: return 500;
  }
  return 500;
}

http::Response error_response(const Error& error) {
  const int status = status_of(error.kind());
  if (status == 304) return http::Response::empty(status);
  std::string body = "{\"message\":";
  json::write_string(body, error.text());
  body += "}\n";
  return http::Response::json(status, std::move(body));
}

}  // namespace berth::api
