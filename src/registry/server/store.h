#pragma once

#include <cstdint>

#include "registry/server/blob_files.h"
#include "registry/server/catalog.h"
#include "registry/server/proxy.h"
#include "registry/server/uploads.h"

namespace berth::registry::server {

/// What the routes work on.
struct Store {
  const BlobFiles& files;
  Catalog& catalog;
  Uploads& uploads;
  Proxy* proxy = nullptr;          ///< where this is a cache of another registry
  std::int64_t quota_bytes = 0;    ///< of a repository, and so of an upload; 0: none
  std::int64_t grace_seconds = 0;  ///< the collector's
  Catalog::TagRule tag_rule = Catalog::TagRule::mutable_tags;
};

}  // namespace berth::registry::server
