#include "graph/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <climits>
#include <map>
#include <string_view>
#include <vector>

#include "archive/unpack.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::graph {

namespace {

constexpr std::string_view kOverlayXattrs = "trusted.overlay.";

struct stat stat_of(const std::string& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) throw errno_error("lstat", path);
  return info;
}

enum class OverlayXattrs { keep, drop };

bool is_layers_own(std::string_view xattr) {
  return xattr.starts_with(kOverlayXattrs) || xattr == archive::kOpaqueStandIn;
}

void copy_xattrs(const std::string& from, const std::string& to, OverlayXattrs overlay_xattrs) {
  const ssize_t size = ::llistxattr(from.c_str(), nullptr, 0);
  if (size <= 0) return;
  std::string names(static_cast<std::size_t>(size), '\0');
  const ssize_t got = ::llistxattr(from.c_str(), names.data(), names.size());
  if (got < 0) throw errno_error("listxattr", from);
  names.resize(static_cast<std::size_t>(got));
  for (std::size_t at = 0; at < names.size(); at = names.find('\0', at) + 1) {
    const char* name = names.c_str() + at;
    if (overlay_xattrs == OverlayXattrs::drop && is_layers_own(name)) continue;
    std::string value(XATTR_SIZE_MAX, '\0');
    const ssize_t length = ::lgetxattr(from.c_str(), name, value.data(), value.size());
    if (length < 0) throw errno_error("getxattr", from);
    if (::lsetxattr(to.c_str(), name, value.data(), static_cast<std::size_t>(length), 0) != 0 && errno != ENOTSUP) {
      throw errno_error("setxattr", to);
    }
  }
}

void copy_attributes(const struct stat& info, const std::string& from, const std::string& to,
                     OverlayXattrs overlay_xattrs = OverlayXattrs::keep) {
  if (::lchown(to.c_str(), info.st_uid, info.st_gid) != 0) throw errno_error("chown", to);
  copy_xattrs(from, to, overlay_xattrs);
  if (!S_ISLNK(info.st_mode) && ::chmod(to.c_str(), info.st_mode & 07777) != 0) throw errno_error("chmod", to);
  const timespec times[2] = {info.st_atim, info.st_mtim};
  if (::utimensat(AT_FDCWD, to.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) throw errno_error("utimensat", to);
}

void copy_data(const std::string& from, const std::string& to) {
  const sys::UniqueFd in = sys::open_file(from, O_RDONLY | O_NOFOLLOW);
  const sys::UniqueFd out = sys::open_file(to, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (::ioctl(out.get(), FICLONE, in.get()) == 0) return;
  for (;;) {
    const ssize_t got = ::copy_file_range(in.get(), nullptr, out.get(), nullptr, 64 << 20, 0);
    if (got == 0) return;
    if (got > 0 || errno == EINTR) continue;
    if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP) throw errno_error("copy", to);
    std::string buffer(256 << 10, '\0');
    while (const std::size_t count = sys::read_full(in, buffer.data(), buffer.size())) {
      sys::write_all(out, std::string_view{buffer}.substr(0, count));
    }
    return;
  }
}

class TreeCopy {
 public:
  explicit TreeCopy(CopyMode mode) : mode_(mode) {}

  void folder(const std::string& from, const std::string& to) {
    for (const std::string& name : sys::list_dir(from)) entry(cat(from, "/", name), cat(to, "/", name));
    copy_attributes(stat_of(from), from, to);
  }

  void entry(const std::string& from, const std::string& to) {
    const struct stat info = stat_of(from);
    if (S_ISDIR(info.st_mode)) {
      sys::make_dir(to, 0700);
      folder(from, to);
      return;
    }
    if (mode_ == CopyMode::hard_link) {
      if (::link(from.c_str(), to.c_str()) == 0) return;
      if (errno != EMLINK && errno != EXDEV) throw errno_error("link", to);
    } else if (info.st_nlink > 1) {
      const auto [first, is_new] = linked_.try_emplace(info.st_ino, to);
      if (!is_new) {
        if (::link(first->second.c_str(), to.c_str()) != 0) throw errno_error("link", to);
        return;
      }
    }
    make_alike(info, from, to);
  }

 private:
  static void make_alike(const struct stat& info, const std::string& from, const std::string& to) {
    if (S_ISREG(info.st_mode)) {
      copy_data(from, to);
    } else if (S_ISLNK(info.st_mode)) {
      char target[PATH_MAX];
      const ssize_t length = ::readlink(from.c_str(), target, sizeof target);
      if (length < 0) throw errno_error("readlink", from);
      const std::string text{target, static_cast<std::size_t>(length)};
      if (::symlink(text.c_str(), to.c_str()) != 0) throw errno_error("symlink", to);
    } else if (::mknod(to.c_str(), (info.st_mode & S_IFMT) | 0600, info.st_rdev) != 0) {
      throw errno_error("mknod", to);
    }
    copy_attributes(info, from, to);
  }

  CopyMode mode_;
  std::map<ino_t, std::string> linked_;
};

bool is_opaque(const std::string& path) {
  const auto says_yes = [&](const char* name) {
    char value = 0;
    return ::lgetxattr(path.c_str(), name, &value, 1) == 1 && value == 'y';
  };
  return says_yes("trusted.overlay.opaque") || says_yes(archive::kOpaqueStandIn);
}

void apply_folder(const std::string& diff, const std::string& to) {
  if (is_opaque(diff)) {
    for (const std::string& name : sys::list_dir(to)) sys::remove_tree(cat(to, "/", name));
  }
  for (const std::string& name : sys::list_dir(diff)) {
    const std::string from = cat(diff, "/", name), target = cat(to, "/", name);
    const struct stat info = stat_of(from);
    struct stat old{};
    const bool exists = ::lstat(target.c_str(), &old) == 0;
    if (exists && S_ISDIR(info.st_mode) && S_ISDIR(old.st_mode)) {
      apply_folder(from, target);
      continue;
    }
    if (exists) sys::remove_tree(target);
    if ((S_ISCHR(info.st_mode) && info.st_rdev == 0) || S_ISSOCK(info.st_mode)) continue;  // archive/unpack.h
    if (S_ISDIR(info.st_mode)) {
      sys::make_dir(target, 0700);
      apply_folder(from, target);
    } else {
      TreeCopy{CopyMode::hard_link}.entry(from, target);
    }
  }
  copy_attributes(stat_of(diff), diff, to, OverlayXattrs::drop);  // they belong to the layer, not to the tree
}

}  // namespace

void copy_tree(const std::string& from, const std::string& to, CopyMode mode) { TreeCopy{mode}.folder(from, to); }

void apply_overlay_diff(const std::string& diff, const std::string& to) { apply_folder(diff, to); }

}  // namespace berth::graph
