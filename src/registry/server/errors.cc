#include "registry/server/errors.h"

#include "base/json/json.h"

namespace berth::registry::server {

http::Response Refusal::response() const {
  std::string text = "{\"errors\":[{\"code\":";
  json::write_string(text, code_);
  text += ",\"message\":";
  json::write_string(text, message_);
  text += "}]}";
  http::Response response = http::Response::json(status_, std::move(text));
  response.headers = headers_;
  return response;
}

}  // namespace berth::registry::server
