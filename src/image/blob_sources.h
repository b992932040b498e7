#pragma once

#include <string>
#include <vector>

#include "base/db/database.h"
#include "oci/image.h"

namespace berth::image {

/// Where layers were seen as blobs: a push need not send again what a registry has, and mounts what another of its
/// repositories has. Foreign layers are on no registry and not remembered: of those nobody has verified anything. Only
/// a memory: losing it costs time, nothing else. Blocks; safe from several threads.
class BlobSources {
 public:
  explicit BlobSources(db::Database& database);  ///< makes the table; forgets layers that are gone

  struct Source {
    oci::Descriptor blob;    ///< media type, digest, size
    std::string repository;  ///< "docker.io/library/busybox"
  };
  /// The newest first.
  std::vector<Source> find(const std::string& diff_id) const;
  struct Seen {
    std::string diff_id;
    oci::Descriptor blob;
  };
  void remember(const std::string& repository, const std::vector<Seen>& layers);

 private:
  db::Database& database_;
};

}  // namespace berth::image
