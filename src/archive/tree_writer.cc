#include "archive/tree_writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <memory>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::archive {

namespace {

constexpr std::size_t kCopyBytes = 256 << 10;

struct DirCloser {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

bool is_wanted_xattr(std::string_view name) {
  return name == "security.capability" || (name.starts_with("user.") && !name.starts_with("user.overlay."));
}

void read_xattrs(int fd, TarEntry& entry) {
  char names[XATTR_LIST_MAX];
  const ssize_t size = ::flistxattr(fd, names, sizeof names);
  for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(std::string_view{names + at}.size()) + 1) {
    const std::string_view name{names + at};
    if (!is_wanted_xattr(name)) continue;
    std::string value(XATTR_SIZE_MAX, '\0');
    const ssize_t length = ::fgetxattr(fd, names + at, value.data(), value.size());
    if (length < 0) continue;
    value.resize(static_cast<std::size_t>(length));
    entry.xattrs.emplace_back(name, std::move(value));
  }
  std::sort(entry.xattrs.begin(), entry.xattrs.end());
}

TarEntry describe(const struct stat& info, std::string path) {
  TarEntry entry;
  entry.path = std::move(path);
  entry.mode = info.st_mode & 07777;
  entry.uid = info.st_uid;
  entry.gid = info.st_gid;
  entry.mtime.seconds = info.st_mtim.tv_sec;
  return entry;
}

/// nullopt when it is gone, or a folder no more.
sys::UniqueFd open_folder(int dir, const std::string& name, const std::string& path) {
  const int fd = ::openat(dir, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP) throw errno_error("open", path);
  return sys::UniqueFd{fd};
}

}  // namespace

bool is_whiteout(const struct stat& info) { return S_ISCHR(info.st_mode) && info.st_rdev == 0; }

bool is_opaque(int folder) {
  char value = 0;
  return ::fgetxattr(folder, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

std::vector<std::string> sorted_names(int folder) {
  const int copy = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) throw errno_error("open", "folder");
  const std::unique_ptr<DIR, DirCloser> stream{::fdopendir(copy)};
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream.get())) {  // NOLINT(concurrency-mt-unsafe): the stream is ours alone
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// ---- EntryWriter ----

void EntryWriter::add_folder(int folder, const std::string& path) {
  struct stat info{};
  if (::fstat(folder, &info) != 0) throw errno_error("stat", path);
  TarEntry entry = describe(info, path);
  entry.type = EntryType::directory;
  read_xattrs(folder, entry);
  tar_.begin(entry);
}

bool EntryWriter::add(int dir, const std::string& name, const std::string& path, const struct stat& seen) {
  if (S_ISDIR(seen.st_mode)) {
    const sys::UniqueFd folder = open_folder(dir, name, path);
    if (folder) add_folder(folder.get(), path);
    return static_cast<bool>(folder);
  }
  TarEntry entry = describe(seen, path);
  const bool linked = seen.st_nlink > 1;
  if (linked) {
    const auto first = links_.find({seen.st_dev, seen.st_ino});
    if (first != links_.end()) {
      entry.type = EntryType::hard_link;
      entry.link = first->second;
      tar_.begin(entry);
      return true;
    }
  }
  const bool added = S_ISREG(seen.st_mode) ? add_file(dir, name, seen, entry) : add_other(dir, name, seen, entry);
  if (linked && added) links_.emplace(std::pair{seen.st_dev, seen.st_ino}, path);
  return added;
}

bool EntryWriter::add_file(int dir, const std::string& name, const struct stat& seen, TarEntry& entry) {
  const int fd = ::openat(dir, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENXIO)) return false;
  if (fd < 0) throw errno_error("open", entry.path);
  const sys::UniqueFd file{fd};
  struct stat info{};
  if (::fstat(fd, &info) != 0) throw errno_error("stat", entry.path);
  if (!S_ISREG(info.st_mode) || info.st_ino != seen.st_ino) return false;  // exchanged meanwhile
  entry.size = static_cast<std::uint64_t>(info.st_size);
  read_xattrs(fd, entry);
  tar_.begin(entry);
  if (tar_.write_file(fd, entry.size)) return true;
  buffer_.resize(kCopyBytes);
  for (std::uint64_t left = entry.size; left != 0;) {
    const std::size_t wanted = std::min<std::uint64_t>(left, buffer_.size());
    const std::size_t got = sys::read_full(file, buffer_.data(), wanted);
    std::fill_n(buffer_.data() + got, wanted - got, '\0');
    tar_.write({buffer_.data(), wanted});
    left -= wanted;
  }
  return true;
}

bool EntryWriter::add_other(int dir, const std::string& name, const struct stat& seen, TarEntry& entry) {
  switch (seen.st_mode & S_IFMT) {
    case S_IFLNK: {
      char target[PATH_MAX];
      const ssize_t length = ::readlinkat(dir, name.c_str(), target, sizeof target);
      if (length < 0 && (errno == ENOENT || errno == EINVAL)) return false;
      if (length < 0) throw errno_error("readlink", entry.path);
      entry.type = EntryType::symlink;
      entry.link.assign(target, static_cast<std::size_t>(length));
      break;
    }
    case S_IFCHR:
    case S_IFBLK:
      entry.type = S_ISCHR(seen.st_mode) ? EntryType::char_device : EntryType::block_device;
      entry.device_major = major(seen.st_rdev);
      entry.device_minor = minor(seen.st_rdev);
      break;
    case S_IFIFO: entry.type = EntryType::fifo; break;
    default: return false;  // a socket means nothing without its process
  }
  tar_.begin(entry);
  return true;
}

// ---- whole trees ----

namespace {

class TreeWalk {
 public:
  TreeWalk(TarWriter& tar, const TreeOptions& options) : tar_(tar), options_(options), entries_(tar) {}

  void write_root(int dir) { entries_.add_folder(dir, options_.prefix.empty() ? "." : options_.prefix); }

  void folder(int dir, const std::string& path) {
    if (options_.whiteouts == Whiteouts::overlay && is_opaque(dir)) {
      tar_.add_file(written(inside(path, ".wh..wh..opq")), "", 0);
    }
    for (const std::string& name : sorted_names(dir)) {
      const std::string inner = inside(path, name);
      if (is_wanted(inner)) member(dir, name, inner);
    }
  }

  /// `dirs`: the same folder in each layer that has it, topmost first.
  void layered_folder(const std::vector<int>& dirs, const std::string& path) {
    std::map<std::string, std::size_t> names;  // and the topmost layer that says something about it
    std::size_t deepest = 0;
    for (; deepest < dirs.size(); ++deepest) {
      for (std::string& name : sorted_names(dirs[deepest])) names.try_emplace(std::move(name), deepest);
      if (is_opaque(dirs[deepest])) break;
    }
    const std::vector<int> visible{dirs.begin(),
                                   dirs.begin() + static_cast<std::ptrdiff_t>(std::min(deepest + 1, dirs.size()))};
    for (const auto& [name, layer] : names) {
      const std::string inner = inside(path, name);
      if (is_wanted(inner)) layered_member(visible, layer, name, inner);
    }
  }

 private:
  static std::string inside(const std::string& path, const std::string& name) {
    return path.empty() ? name : cat(path, "/", name);
  }

  std::string written(const std::string& path) const {
    if (options_.prefix.empty()) return path;
    return cat(options_.prefix, options_.prefix.ends_with('/') ? "" : "/", path);
  }

  bool is_wanted(const std::string& path) const {
    return path.size() < PATH_MAX && (!options_.include || options_.include(path));
  }

  static bool find(int dir, const std::string& name, const std::string& path, struct stat& info) {
    if (::fstatat(dir, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) return true;
    if (errno == ENOENT) return false;  // gone meanwhile
    throw errno_error("stat", path);
  }

  void member(int dir, const std::string& name, const std::string& path) {
    struct stat info{};
    if (!find(dir, name, path, info)) return;
    if (S_ISDIR(info.st_mode)) {
      const sys::UniqueFd child = open_folder(dir, name, path);
      if (!child) return;
      entries_.add_folder(child.get(), written(path));
      if (!options_.enter || options_.enter(child.get(), path)) folder(child.get(), path);
    } else if (is_whiteout(info) && options_.whiteouts == Whiteouts::overlay) {
      const std::size_t cut = path.size() - name.size();
      tar_.add_file(written(cat(path.substr(0, cut), ".wh.", name)), "", 0);
    } else {
      entries_.add(dir, name, written(path), info);
    }
  }

  void layered_member(const std::vector<int>& dirs, std::size_t layer, const std::string& name,
                      const std::string& path) {
    struct stat info{};
    if (!find(dirs[layer], name, path, info) || is_whiteout(info)) return;
    if (!S_ISDIR(info.st_mode)) {
      entries_.add(dirs[layer], name, written(path), info);
      return;
    }
    std::vector<sys::UniqueFd> owners;
    std::vector<int> children;
    for (std::size_t i = layer; i < dirs.size(); ++i) {
      if (!find(dirs[i], name, path, info)) continue;
      if (!S_ISDIR(info.st_mode)) break;
      sys::UniqueFd child = open_folder(dirs[i], name, path);
      if (!child) continue;
      children.push_back(child.get());
      owners.push_back(std::move(child));
    }
    if (children.empty()) return;
    entries_.add_folder(children.front(), written(path));
    if (!options_.enter || options_.enter(children.front(), path)) layered_folder(children, path);
  }

  TarWriter& tar_;
  const TreeOptions& options_;
  EntryWriter entries_;
};

}  // namespace

void write_tree(sys::FdRef root, TarWriter& tar, const TreeOptions& options) {
  TreeWalk walk{tar, options};
  if (options.include_root) walk.write_root(root.get());
  walk.folder(root.get(), "");
}

void write_layers(const std::vector<sys::UniqueFd>& layers, TarWriter& tar, const TreeOptions& options) {
  std::vector<int> dirs;
  for (const sys::UniqueFd& layer : layers) dirs.push_back(layer.get());
  TreeWalk walk{tar, options};
  if (options.include_root) walk.write_root(dirs.front());
  walk.layered_folder(dirs, "");
}

}  // namespace berth::archive
