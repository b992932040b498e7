#include "graph/tree_compare.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::graph {

namespace {

using Attributes = std::map<std::string, std::string>;

/// Through the parent's descriptor, since the file may be a symlink or a device.
Attributes attributes_of(sys::FdRef dir, const std::string& name, const std::string& path) {
  const std::string file = cat("/proc/self/fd/", dir.get(), "/", name);
  const ssize_t size = ::llistxattr(file.c_str(), nullptr, 0);
  if (size < 0 && errno == ENOTSUP) return {};
  if (size < 0) throw errno_error("listxattr", path);
  std::string names(static_cast<std::size_t>(size), '\0');
  const ssize_t got = size == 0 ? 0 : ::llistxattr(file.c_str(), names.data(), names.size());
  if (got < 0) throw errno_error("listxattr", path);
  names.resize(static_cast<std::size_t>(got));
  Attributes attributes;
  for (std::size_t at = 0; at < names.size(); at = names.find('\0', at) + 1) {
    const char* attribute = names.c_str() + at;
    const ssize_t length = ::lgetxattr(file.c_str(), attribute, nullptr, 0);
    if (length < 0) throw errno_error("getxattr", path);
    std::string value(static_cast<std::size_t>(length), '\0');
    if (length != 0 && ::lgetxattr(file.c_str(), attribute, value.data(), value.size()) != length)
      throw errno_error("getxattr", path);
    attributes[attribute] = std::move(value);
  }
  return attributes;
}

std::string link_text(sys::FdRef dir, const std::string& name, const struct stat& info, const std::string& path) {
  std::string text(static_cast<std::size_t>(info.st_size) + 1, '\0');
  const ssize_t length = ::readlinkat(dir.get(), name.c_str(), text.data(), text.size());
  if (length < 0) throw errno_error("readlink", path);
  text.resize(static_cast<std::size_t>(length));
  return text;
}

std::vector<std::string> sorted_names(sys::FdRef dir) {
  std::vector<std::string> names = sys::list_dir(cat("/proc/self/fd/", dir.get()));
  std::ranges::sort(names);
  return names;
}

struct stat stat_at(sys::FdRef dir, const std::string& name, const std::string& path) {
  struct stat info{};
  if (::fstatat(dir.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) throw errno_error("stat", path);
  return info;
}

/// In one of its forms; no archive says when it was made.
bool is_whiteout(const struct stat& info) {
  return S_ISSOCK(info.st_mode) || (S_ISCHR(info.st_mode) && info.st_rdev == 0);
}

bool same_time(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

class Comparison {
 public:
  /// Folder by folder, without recursion: an archive may nest as deep as a path is long.
  std::optional<std::string> run(sys::FdRef actual, sys::FdRef expected) {
    folders_.emplace_back();
    while (!folders_.empty()) {
      const std::string path = std::move(folders_.back());
      folders_.pop_back();
      const sys::UniqueFd left = open_folder(actual, path), right = open_folder(expected, path);
      if (auto difference = compare_folder(left, right, path)) return difference;
    }
    return std::nullopt;
  }

 private:
  static sys::UniqueFd open_folder(sys::FdRef root, const std::string& path) {
    return sys::open_in_root(root, path.empty() ? "." : path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  }

  std::optional<std::string> compare_folder(sys::FdRef actual, sys::FdRef expected, const std::string& path) {
    const std::string below = path.empty() ? "" : cat(path, "/");
    const std::vector<std::string> have = sorted_names(actual), want = sorted_names(expected);
    if (have != want) {
      const auto [left, right] = std::ranges::mismatch(have, want);
      const bool missing = left == have.end() || (right != want.end() && *right < *left);
      return missing ? cat(below, *right, " is missing") : cat(below, *left, " does not belong there");
    }
    for (const std::string& name : have) {
      if (auto difference = compare_entry(actual, expected, name, cat(below, name))) return difference;
    }
    return std::nullopt;
  }

  std::optional<std::string> compare_entry(sys::FdRef actual, sys::FdRef expected, const std::string& name,
                                           const std::string& path) {
    const struct stat have = stat_at(actual, name, path), want = stat_at(expected, name, path);
    const bool folder = S_ISDIR(want.st_mode), device = S_ISCHR(want.st_mode) || S_ISBLK(want.st_mode);
    const auto differs = [&](const char* what) { return std::optional{cat(path, " has another ", what)}; };
    if ((have.st_mode & S_IFMT) != (want.st_mode & S_IFMT)) return differs("kind");
    if (have.st_mode != want.st_mode) return differs("mode");
    if (have.st_uid != want.st_uid || have.st_gid != want.st_gid) return differs("owner");
    if (!folder && have.st_size != want.st_size) return differs("size");
    if (device && have.st_rdev != want.st_rdev) return differs("device number");
    if (!folder && !is_whiteout(want) && !same_time(have.st_mtim, want.st_mtim)) return differs("time");
    if (S_ISLNK(want.st_mode) && link_text(actual, name, have, path) != link_text(expected, name, want, path)) {
      return differs("target");
    }
    if (attributes_of(actual, name, path) != attributes_of(expected, name, path)) return differs("extended attribute");
    if (folder)
      folders_.push_back(path);
    else if (!same_links(have, want))
      return differs("hard link");
    return std::nullopt;
  }

  /// Names of one file there are names of one file here. (The link counts may differ: layers share files.)
  bool same_links(const struct stat& have, const struct stat& want) {
    if (have.st_nlink == 1 && want.st_nlink == 1) return true;
    return twin(here_, have.st_ino, want.st_ino) && twin(there_, want.st_ino, have.st_ino);
  }
  static bool twin(std::map<ino_t, ino_t>& known, ino_t one, ino_t other) {
    return known.emplace(one, other).first->second == other;
  }

  std::vector<std::string> folders_;  ///< still to be compared
  std::map<ino_t, ino_t> here_, there_;
};

}  // namespace

std::optional<std::string> find_difference(sys::FdRef actual, sys::FdRef expected) {
  return Comparison{}.run(actual, expected);
}

}  // namespace berth::graph
