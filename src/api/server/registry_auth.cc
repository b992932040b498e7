#include "api/server/registry_auth.h"

#include "base/core/base64.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/json/json.h"

namespace berth::api {

engine::AuthConfig registry_auth(const Request& request) {
  const auto header = request.header("x-registry-auth");
  if (!header || header->empty()) return {};
  const auto text = decode_any_base64(*header);
  if (!text || text->empty()) return {};
  try {
    return json::from_json<engine::AuthConfig>(*text);
  } catch (const Error&) {
    return {};
  }
}

}  // namespace berth::api
