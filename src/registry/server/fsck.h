#pragma once

#include <functional>
#include <string>

#include "registry/server/catalog.h"

namespace berth::registry::server {

struct FsckReport {
  std::int64_t blobs = 0, bytes = 0;
  std::int64_t missing = 0, damaged = 0, stray = 0;  ///< stray: files that no row names (a running push has some)
  std::int64_t inconsistent = 0;                     ///< tags, links, references: see Catalog::contradictions()
  std::int64_t lacking = 0;                          ///< what manifests name and is not here
  bool clean() const { return missing == 0 && damaged == 0 && inconsistent == 0; }
};

/// Reads every blob and compares it with its digest, and tables with each other; nothing is changed. `say` gets one
/// line for each fault. Blocks.
FsckReport check_store(const BlobFiles& files, const Catalog& catalog, const std::function<void(std::string)>& say);

}  // namespace berth::registry::server
