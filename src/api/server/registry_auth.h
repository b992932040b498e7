#pragma once

#include "api/server/request.h"
#include "engine/registry.h"

namespace berth::api {

/// The X-Registry-Auth header: base64url of an AuthConfig. Absent, empty or "{}" is nobody; what can't be read is
/// nobody, too, as dockerd sees it (`docker pull` sends odd ones).
engine::AuthConfig registry_auth(const Request& request);

}  // namespace berth::api
