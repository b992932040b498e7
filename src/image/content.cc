#include "image/content.h"

#include "archive/digest.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "oci/digest.h"

namespace berth::image {

namespace {
constexpr std::string_view kAdvice = "; remove the image and load or pull it again";
}

Content::Content(std::string root) : root_(std::move(root)) {
  sys::ensure_private_dir(root_);
  const std::string blobs = cat(root_, "/blobs/sha256");
  sys::ensure_dir(blobs);
  if (!sys::exists(cat(root_, "/oci-layout"))) {
    sys::write_file_durably(cat(root_, "/oci-layout"), R"({"imageLayoutVersion":"1.0.0"})");
  }
  for (const std::string& name : sys::list_dir(blobs)) {
    if (!oci::is_digest(cat("sha256:", name))) sys::remove_file(cat(blobs, "/", name));
  }
}

std::string Content::path_of(const std::string& digest) const {
  return cat(root_, "/blobs/sha256/", oci::digest_hex(digest));
}

std::string Content::put(std::string_view bytes) {
  std::string digest = archive::sha256(bytes);
  const std::string path = path_of(digest);
  // A file of that name may be damaged: what is written now is known to be right.
  const auto old = sys::read_file_if_exists(path);
  if (!old || *old != bytes) sys::write_file_durably(path, bytes);
  return digest;
}

std::string Content::get(const std::string& digest) const {
  std::optional<std::string> bytes = sys::read_file_if_exists(path_of(digest));
  if (!bytes) throw not_found(cat("content ", digest, " of this image is missing", kAdvice));
  if (archive::sha256(*bytes) != digest)
    throw system_error(cat("content ", digest, " of this image is damaged", kAdvice));
  return std::move(*bytes);
}

bool Content::has(const std::string& digest) const { return sys::exists(path_of(digest)); }

void Content::remove(const std::string& digest) { sys::remove_file(path_of(digest)); }

std::vector<std::string> Content::list() const {
  std::vector<std::string> digests;
  for (const std::string& name : sys::list_dir(cat(root_, "/blobs/sha256"))) digests.push_back(cat("sha256:", name));
  return digests;
}

bool Content::has_index() const { return sys::exists(cat(root_, "/index.json")); }

void Content::write_index(std::string_view json) {
  const std::string path = cat(root_, "/index.json"), fresh = cat(path, ".tmp");
  sys::write_file(fresh, json);
  sys::rename(fresh, path);
}

}  // namespace berth::image
