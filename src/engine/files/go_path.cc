#include "engine/files/go_path.h"

#include "archive/unpack.h"
#include "base/core/text.h"

namespace berth::engine::files {

std::string base_of(std::string_view path) {
  if (path.empty()) return ".";
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  if (path == "/") return "/";
  return std::string{path.substr(path.rfind('/') + 1)};
}

std::string absolute(std::string_view path) {
  std::string clean = archive::go_clean(cat("/", path));
  if (base_of(path) == "." && base_of(clean) != ".") clean += clean.ends_with('/') ? "." : "/.";
  if (path.ends_with('/') && !clean.ends_with('/')) clean += '/';
  return clean;
}

bool is_within(std::string_view path, std::string_view folder) {
  while (folder.ends_with('/')) folder.remove_suffix(1);
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

}  // namespace berth::engine::files
