#include "volume/copy_up.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <set>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/fd.h"
#include "base/sys/file.h"

namespace berth::volume {
namespace {

using sys::UniqueFd;

constexpr int kMaxSymlinks = 40;  // as the kernel's own limit
constexpr int kDirFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

bool is_whiteout(const struct stat& info) { return S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0); }

bool is_opaque(sys::FdRef dir) {
  char value = 0;
  return ::fgetxattr(dir.get(), "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

std::optional<struct stat> stat_at(sys::FdRef dir, const std::string& name) {
  struct stat info{};
  if (::fstatat(dir.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) return info;
  if (errno == ENOENT) return std::nullopt;
  throw errno_error("fstatat", name);
}

std::string read_link(sys::FdRef dir, const std::string& name) {
  std::string target(4096, '\0');
  const ssize_t size = ::readlinkat(dir.get(), name.c_str(), target.data(), target.size());
  if (size < 0) throw errno_error("readlinkat", name);
  target.resize(static_cast<std::size_t>(size));
  return target;
}

std::vector<std::string> names_in(sys::FdRef dir) {
  UniqueFd copy = sys::open_at(dir, ".", kDirFlags);
  const std::unique_ptr<DIR, int (*)(DIR*)> entries{::fdopendir(copy.get()), &::closedir};
  if (!entries) throw errno_error("fdopendir", "");
  (void)copy.release();
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

/// A folder of the image: the same folder of every layer that has a share in it, topmost first.
struct MergedDir {
  std::vector<UniqueFd> layers;
};

/// What a name is in a merged folder.
struct MergedEntry {
  struct stat info{};
  const UniqueFd* layer = nullptr;  ///< where a non-folder lies
  MergedDir dir;                    ///< of a folder
};

std::optional<MergedEntry> look_up(const MergedDir& parent, const std::string& name) {
  MergedEntry found;
  for (const UniqueFd& layer : parent.layers) {
    const std::optional<struct stat> info = stat_at(layer, name);
    if (!info) continue;
    if (is_whiteout(*info)) break;
    if (!S_ISDIR(info->st_mode)) {
      if (found.layer != nullptr) break;  // a folder above it hides it
      found.info = *info;
      found.layer = &layer;
      return found;
    }
    if (found.layer == nullptr) found.info = *info;
    found.layer = &layer;
    found.dir.layers.push_back(sys::open_at(layer, name, kDirFlags));
    if (is_opaque(found.dir.layers.back())) break;
  }
  if (found.layer == nullptr) return std::nullopt;
  return found;
}

MergedDir open_root(const std::vector<std::string>& lower_dirs) {
  MergedDir root;
  for (const std::string& dir : lower_dirs) root.layers.push_back(sys::open_file(dir, kDirFlags));
  return root;
}

/// Resolves `path` as a process with the image as its root would; nullopt unless it ends at a folder.
std::optional<MergedDir> find_dir(const std::vector<std::string>& lower_dirs, const std::string& path) {
  std::vector<std::string> todo = split(path, '/');
  std::vector<std::string> walked;
  std::optional<MergedDir> here = open_root(lower_dirs);
  int symlinks = 0;
  for (std::size_t at = 0; at < todo.size(); ++at) {
    const std::string name = todo[at];
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      if (!walked.empty()) walked.pop_back();
      here = find_dir(lower_dirs, join(walked, "/"));  // what was walked is free of symlinks
      if (!here) return std::nullopt;
      continue;
    }
    std::optional<MergedEntry> entry = look_up(*here, name);
    if (!entry) return std::nullopt;
    if (S_ISLNK(entry->info.st_mode)) {
      if (++symlinks > kMaxSymlinks) return std::nullopt;
      const std::string target = read_link(*entry->layer, name);
      std::vector<std::string> rest = split(target, '/');
      rest.insert(rest.end(), todo.begin() + static_cast<std::ptrdiff_t>(at) + 1, todo.end());
      if (target.starts_with('/')) {
        walked.clear();
        here = open_root(lower_dirs);
      }
      todo = std::move(rest);
      at = static_cast<std::size_t>(-1);
      continue;
    }
    if (!S_ISDIR(entry->info.st_mode)) return std::nullopt;
    walked.push_back(name);
    here = std::move(entry->dir);
  }
  return here;
}

void copy_attributes(sys::FdRef from, sys::FdRef to) {
  std::string names(65536, '\0');
  const ssize_t size = ::flistxattr(from.get(), names.data(), names.size());
  if (size <= 0) return;
  names.resize(static_cast<std::size_t>(size));
  for (std::size_t at = 0; at < names.size(); at += std::char_traits<char>::length(&names[at]) + 1) {
    const char* name = &names[at];
    if (std::string_view{name}.starts_with("trusted.overlay.")) continue;
    std::string value(65536, '\0');
    const ssize_t length = ::fgetxattr(from.get(), name, value.data(), value.size());
    // A file system that has no such attributes takes the file without them.
    if (length >= 0) (void)::fsetxattr(to.get(), name, value.data(), static_cast<std::size_t>(length), 0);
  }
}

void set_owner_and_mode(sys::FdRef file, const struct stat& info) {
  if (::fchown(file.get(), info.st_uid, info.st_gid) != 0) throw errno_error("fchown", "");
  if (::fchmod(file.get(), info.st_mode & 07777) != 0) throw errno_error("fchmod", "");
}

void set_times(sys::FdRef dir, const std::string& name, const struct stat& info) {
  const timespec times[2] = {info.st_atim, info.st_mtim};
  (void)::utimensat(dir.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

void copy_file(const MergedEntry& entry, const std::string& name, sys::FdRef target_dir) {
  const UniqueFd from = sys::open_at(*entry.layer, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  const UniqueFd to = sys::open_at(target_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  for (;;) {
    const ssize_t copied = sys::retry_on_eintr(
        [&] { return ::copy_file_range(from.get(), nullptr, to.get(), nullptr, std::size_t{1} << 30, 0); });
    if (copied == 0) break;
    if (copied > 0) continue;
    if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS) throw errno_error("copy", name);
    std::string buffer(256 << 10, '\0');
    while (const std::size_t count = sys::read_full(from, buffer.data(), buffer.size())) {
      sys::write_all(to, std::string_view{buffer}.substr(0, count));
    }
    break;
  }
  set_owner_and_mode(to, entry.info);
  copy_attributes(from, to);
}

/// `made` collects what of `to` is this copy's own.
void copy_dir(const MergedDir& from, sys::FdRef to, std::vector<std::string>* made = nullptr);

void copy_entry(const MergedEntry& entry, const std::string& name, sys::FdRef target_dir) {
  const mode_t type = entry.info.st_mode & S_IFMT;
  if (type == S_IFDIR) {
    if (::mkdirat(target_dir.get(), name.c_str(), 0700) != 0) throw errno_error("mkdirat", name);
    const UniqueFd dir = sys::open_at(target_dir, name, kDirFlags);
    copy_dir(entry.dir, dir);
    set_owner_and_mode(dir, entry.info);
    copy_attributes(entry.dir.layers.front(), dir);
  } else if (type == S_IFREG) {
    copy_file(entry, name, target_dir);
  } else {
    if (type == S_IFLNK) {
      const std::string link = read_link(*entry.layer, name);
      if (::symlinkat(link.c_str(), target_dir.get(), name.c_str()) != 0) throw errno_error("symlinkat", name);
    } else if (::mknodat(target_dir.get(), name.c_str(), entry.info.st_mode, entry.info.st_rdev) != 0) {
      throw errno_error("mknodat", name);
    }
    if (::fchownat(target_dir.get(), name.c_str(), entry.info.st_uid, entry.info.st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
      throw errno_error("fchownat", name);
    }
  }
  set_times(target_dir, name, entry.info);
}

void copy_dir(const MergedDir& from, sys::FdRef to, std::vector<std::string>* made) {
  std::set<std::string> names;
  for (const UniqueFd& layer : from.layers) {
    for (std::string& name : names_in(layer)) names.insert(std::move(name));
  }
  for (const std::string& name : names) {
    const std::optional<MergedEntry> entry = look_up(from, name);
    if (!entry) continue;
    if (made != nullptr) {
      if (stat_at(to, name)) throw errno_error(EEXIST, "copy", name);  // a container that runs was quicker
      made->push_back(name);
    }
    copy_entry(*entry, name, to);
  }
}

}  // namespace

void copy_up(const std::vector<std::string>& lower_dirs, const std::string& path, const std::string& target) {
  const UniqueFd to = sys::open_file(target, kDirFlags);
  if (!names_in(to).empty()) return;
  const std::optional<MergedDir> from = find_dir(lower_dirs, path);
  if (!from || from->layers.empty()) return;
  struct stat info{};
  if (::fstat(from->layers.front().get(), &info) != 0) throw errno_error("fstat", path);
  std::vector<std::string> made;
  try {
    copy_dir(*from, to, &made);
  } catch (...) {
    // All or nothing; but what a container that uses the volume already has written meanwhile is not ours to remove.
    for (const std::string& name : made) sys::remove_tree(cat(target, "/", name));
    throw;
  }
  set_owner_and_mode(to, info);
}

}  // namespace berth::volume
