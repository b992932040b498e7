#pragma once

#include "base/http/handler.h"
#include "registry/server/access.h"
#include "registry/server/store.h"
#include "registry/server/target.h"

/// What there is, in pages (`n`, `last`, a Link header). Spec: distribution-spec v1.1, "Listing Tags", "Listing
/// Referrers"; Docker's API for the catalog. All throw Refusal.
namespace berth::registry::server {

Task<void> list_tags(Store& store, const std::string& repository, const http::Request& request,
                     http::ResponseStream& out);
/// Those that the caller may read.
Task<void> list_repositories(Store& store, const Caller& caller, const http::Request& request,
                             http::ResponseStream& out);
Task<void> list_referrers(Store& store, const Target& target, const http::Request& request, http::ResponseStream& out);

}  // namespace berth::registry::server
