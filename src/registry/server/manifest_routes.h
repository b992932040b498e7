#pragma once

#include "base/http/handler.h"
#include "registry/server/store.h"
#include "registry/server/target.h"

namespace berth::registry::server {

/// GET, HEAD, PUT and DELETE of a manifest, by tag or digest; false for other methods. Throws Refusal.
Task<bool> answer_manifest(Store& store, const Target& target, const http::Request& request, http::ResponseStream& out);

}  // namespace berth::registry::server
