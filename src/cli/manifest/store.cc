#include "cli/manifest/store.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::cli {

namespace {

std::string file_name(const oci::Reference& reference) {
  std::string name = reference.full();
  std::ranges::replace(name, ':', '-');
  std::ranges::replace(name, '/', '_');
  return name;
}

ImageManifest parse_file(const std::string& path, const std::string& text) {
  try {
    return parse_stored_manifest(text);
  } catch (Error& error) {
    error.during(cat("invalid manifest file ", path));
    throw;
  }
}

}  // namespace

Error no_such_manifest(const oci::Reference& reference) {
  return not_found(cat("No such manifest: ", reference.full()));
}

std::string ManifestStore::folder_of(const oci::Reference& list) const { return cat(folder_, "/", file_name(list)); }

std::optional<ImageManifest> ManifestStore::find(const oci::Reference& list, const oci::Reference& image) const {
  const std::string path = cat(folder_of(list), "/", file_name(image));
  const std::optional<std::string> text = sys::read_file_if_exists(path);
  if (!text) return std::nullopt;
  return parse_file(path, *text);
}

bool ManifestStore::has_list(const oci::Reference& list) const { return sys::exists(folder_of(list)); }

std::vector<ImageManifest> ManifestStore::get_list(const oci::Reference& list) const {
  if (!has_list(list)) throw no_such_manifest(list);
  const std::string folder = folder_of(list);
  std::vector<std::string> names = sys::list_dir(folder);
  std::ranges::sort(names);
  std::vector<ImageManifest> manifests;
  for (const std::string& name : names) {
    const std::string path = cat(folder, "/", name);
    manifests.push_back(parse_file(path, sys::read_file(path)));
  }
  return manifests;
}

void ManifestStore::save(const oci::Reference& list, const oci::Reference& image, const ImageManifest& manifest) const {
  sys::ensure_dir(folder_of(list));
  // Every file in a list's folder is one of its images, so a half-written one must not be there.
  const sys::TemporaryDir draft{folder_};
  const std::string name = file_name(image), written = cat(draft.path(), "/", name);
  sys::write_file_durably(written, manifest.stored());
  sys::rename(written, cat(folder_of(list), "/", name));
}

void ManifestStore::remove(const oci::Reference& list) const {
  if (!has_list(list)) throw no_such_manifest(list);
  sys::remove_tree(folder_of(list));
}

}  // namespace berth::cli
