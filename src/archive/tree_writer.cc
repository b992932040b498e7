#include "archive/tree_writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::archive {

namespace {

constexpr std::size_t kCopyBytes = 256 << 10;

struct DirCloser {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

std::vector<std::string> sorted_names(int dir) {
  const int copy = ::openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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

bool is_wanted_xattr(std::string_view name) {
  return name == "security.capability" || (name.starts_with("user.") && !name.starts_with("user.overlay."));
}

void read_xattrs(const std::string& path, TarEntry& entry) {
  char names[XATTR_LIST_MAX];
  const ssize_t size = ::llistxattr(path.c_str(), names, sizeof names);
  for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(std::string_view{names + at}.size()) + 1) {
    const std::string_view name{names + at};
    if (!is_wanted_xattr(name)) continue;
    std::string value(XATTR_SIZE_MAX, '\0');
    const ssize_t length = ::lgetxattr(path.c_str(), names + at, value.data(), value.size());
    if (length < 0) continue;
    value.resize(static_cast<std::size_t>(length));
    entry.xattrs.emplace_back(name, std::move(value));
  }
  std::sort(entry.xattrs.begin(), entry.xattrs.end());
}

class TreeWalk {
 public:
  TreeWalk(TarWriter& tar, const TreeOptions& options) : tar_(tar), options_(options) {}

  void folder(int dir, const std::string& path) {
    if (options_.whiteouts == Whiteouts::overlay) write_opaque(dir, path);
    for (const std::string& name : sorted_names(dir)) {
      const std::string inner = path.empty() ? name : cat(path, "/", name);
      if (!options_.include || options_.include(inner)) member(dir, name, inner);
    }
  }

  void write_root(int dir) {
    struct stat info{};
    if (::fstat(dir, &info) != 0) throw errno_error("stat", "folder");
    TarEntry entry = describe(info, options_.prefix.empty() ? "." : options_.prefix);
    entry.type = EntryType::directory;
    tar_.begin(entry);
  }

 private:
  std::string written_path(const std::string& path) const {
    return options_.prefix.empty() ? path : cat(options_.prefix, "/", path);
  }

  static TarEntry describe(const struct stat& info, std::string path) {
    TarEntry entry;
    entry.path = std::move(path);
    entry.mode = info.st_mode & 07777;
    entry.uid = info.st_uid;
    entry.gid = info.st_gid;
    entry.mtime.seconds = info.st_mtim.tv_sec;
    return entry;
  }

  void write_opaque(int dir, const std::string& path) {
    char value = 0;
    const std::string folder = cat("/proc/self/fd/", dir);
    if (::getxattr(folder.c_str(), "trusted.overlay.opaque", &value, 1) != 1 || value != 'y') return;
    tar_.add_file(written_path(path.empty() ? ".wh..wh..opq" : cat(path, "/.wh..wh..opq")), "", 0);
  }

  void member(int dir, const std::string& name, const std::string& path) {
    struct stat info{};
    if (::fstatat(dir, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return;  // gone meanwhile
      throw errno_error("stat", path);
    }
    TarEntry entry = describe(info, written_path(path));
    if (S_ISDIR(info.st_mode)) {
      const int fd = ::openat(dir, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) return;
      if (fd < 0) throw errno_error("open", path);
      const sys::UniqueFd child{fd};
      entry.type = EntryType::directory;
      read_xattrs(cat("/proc/self/fd/", fd), entry);
      tar_.begin(entry);
      folder(fd, path);
      return;
    }
    if (S_ISCHR(info.st_mode) && info.st_rdev == 0 && options_.whiteouts == Whiteouts::overlay) {
      const std::size_t cut = path.size() - name.size();
      entry.path = written_path(cat(path.substr(0, cut), ".wh.", name));
      tar_.begin(entry);
      return;
    }
    if (info.st_nlink > 1) {
      const auto [first, is_new] = links_.try_emplace({info.st_dev, info.st_ino}, entry.path);
      if (!is_new) {
        entry.type = EntryType::hard_link;
        entry.link = first->second;
        tar_.begin(entry);
        return;
      }
    }
    if (S_ISREG(info.st_mode)) {
      write_file(dir, name, path, info, entry);
    } else {
      write_other(dir, name, path, info, entry);
    }
  }

  void write_other(int dir, const std::string& name, const std::string& path, const struct stat& info,
                   TarEntry& entry) {
    entry.device_major = major(info.st_rdev);
    entry.device_minor = minor(info.st_rdev);
    switch (info.st_mode & S_IFMT) {
      case S_IFLNK: {
        char target[PATH_MAX];
        const ssize_t length = ::readlinkat(dir, name.c_str(), target, sizeof target);
        if (length < 0 && (errno == ENOENT || errno == EINVAL)) return;
        if (length < 0) throw errno_error("readlink", path);
        entry.type = EntryType::symlink;
        entry.link.assign(target, static_cast<std::size_t>(length));
        entry.device_major = entry.device_minor = 0;
        break;
      }
      case S_IFCHR: entry.type = EntryType::char_device; break;
      case S_IFBLK: entry.type = EntryType::block_device; break;
      case S_IFIFO:
        entry.type = EntryType::fifo;
        entry.device_major = entry.device_minor = 0;
        break;
      default: return;  // a socket means nothing without its process
    }
    tar_.begin(entry);
  }

  void write_file(int dir, const std::string& name, const std::string& path, const struct stat& seen, TarEntry& entry) {
    const int fd = ::openat(dir, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENXIO)) return;
    if (fd < 0) throw errno_error("open", path);
    const sys::UniqueFd file{fd};
    struct stat info{};
    if (::fstat(fd, &info) != 0) throw errno_error("stat", path);
    if (!S_ISREG(info.st_mode) || info.st_ino != seen.st_ino) return;  // exchanged meanwhile
    entry.size = static_cast<std::uint64_t>(info.st_size);
    read_xattrs(cat("/proc/self/fd/", fd), entry);
    tar_.begin(entry);
    buffer_.resize(kCopyBytes);
    for (std::uint64_t left = entry.size; left != 0;) {
      const std::size_t wanted = std::min<std::uint64_t>(left, buffer_.size());
      std::size_t got = sys::read_full(file, buffer_.data(), wanted);
      if (got < wanted) {
        std::fill(buffer_.begin() + static_cast<std::ptrdiff_t>(got),
                  buffer_.begin() + static_cast<std::ptrdiff_t>(wanted), '\0');
        got = wanted;
      }
      tar_.write({buffer_.data(), got});
      left -= got;
    }
  }

  TarWriter& tar_;
  const TreeOptions& options_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
  std::string buffer_;
};

}  // namespace

void write_tree(sys::FdRef root, TarWriter& tar, const TreeOptions& options) {
  TreeWalk walk{tar, options};
  if (options.include_root) walk.write_root(root.get());
  walk.folder(root.get(), "");
}

}  // namespace berth::archive
