#include "image/archive_content.h"

#include "archive/unpack.h"
#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::image {

namespace {
constexpr int kMaxLinks = 16;
}

std::string ArchiveContent::resolve(const std::string& path) const {
  std::string at = archive::clean_path(path);
  for (int i = 0; i < kMaxLinks; ++i) {
    const auto link = links.find(at);
    if (link == links.end()) return at;
    at = link->second;
  }
  throw invalid(cat("open ", path, ": too many levels of symbolic links"));
}

const std::string* ArchiveContent::find_document(const std::string& path) const {
  const auto at = documents.find(resolve(path));
  return at == documents.end() ? nullptr : &at->second;
}

ArchivedLayer* ArchiveContent::find_layer(const std::string& path) {
  const auto at = layers.find(resolve(path));
  return at == layers.end() ? nullptr : &at->second;
}

}  // namespace berth::image
