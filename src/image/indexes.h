#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "image/catalog.h"
#include "image/content.h"
#include "oci/image.h"

namespace berth::image {

/// The multi-platform indexes that names stand for, and which of their variants are here. Which name stands for which
/// index is in the catalog, the documents are content; this reads them once. Safe from several threads.
class Indexes {
 public:
  Indexes(const Content& content, const Catalog& catalog) : content_(content), catalog_(catalog) {}

  struct Member {
    oci::Descriptor manifest;
    std::string image_id;  ///< what the manifest's config is; "" when the manifest is not here
  };
  struct Index {
    oci::Descriptor descriptor;
    std::vector<Member> members;         ///< also those of indexes within this one
    std::vector<oci::Descriptor> inner;  ///< these indexes, as far as they are here; each behind those that it names
  };
  /// nullptr when the document is missing or damaged: then the name stands for its image alone.
  std::shared_ptr<const Index> find(const std::string& digest) const;

  std::set<std::string> images() const;          ///< IDs of all variants of all names
  std::set<std::string> documents() const;       ///< digests of all indexes and of their manifests
  void forget(const std::string& digest) const;  ///< another of its manifests has come or gone

 private:
  std::shared_ptr<const Index> read(const std::string& digest) const;
  void add_members(Index& index, const std::string& text, int depth, std::set<std::string>& seen) const;
  std::vector<std::shared_ptr<const Index>> all() const;

  const Content& content_;
  const Catalog& catalog_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<const Index>> known_;  ///< by digest
};

}  // namespace berth::image
