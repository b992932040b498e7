#pragma once

#include "base/http/handler.h"
#include "registry/server/access.h"
#include "registry/server/store.h"
#include "registry/server/target.h"

/// Blobs and their uploads. Spec: distribution-spec v1.1, "Pulling blobs", "Pushing blobs". All throw Refusal; those
/// that return bool say whether the method is one of theirs.
namespace berth::registry::server {

Task<bool> answer_blob(Store& store, const Target& target, const http::Request& request, http::ResponseStream& out);
Task<void> start_upload(Store& store, const Caller& caller, const std::string& repository, const http::Request& request,
                        http::ResponseStream& out);
/// A body must begin where the upload ends. Spec: "Pushing a blob in chunks".
void check_position(const http::Request& request, const BlobFiles::Upload& upload);
Task<bool> answer_upload(Store& store, const Target& target, const http::Request& request, http::ResponseStream& out);

}  // namespace berth::registry::server
