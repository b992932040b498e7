#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "runtime/mounts/mount_api.h"
#include "runtime/mounts/mounter.h"

namespace berth::runtime::mounts {
namespace {

sys::UniqueFd open_null_device() {
  sys::UniqueFd null = sys::open_file("/dev/null", O_PATH | O_NOFOLLOW);
  struct stat info{};
  if (::fstat(null.get(), &info) != 0) throw errno_error("fstat", "/dev/null");
  if (!S_ISCHR(info.st_mode) || info.st_rdev != makedev(1, 3)) throw system_error("/dev/null is not the null device");
  return null;
}

sys::UniqueFd make_empty_folder() {
  NewFilesystem empty{"tmpfs"};
  empty.set("nr_inodes", "1");
  empty.set("mode", "755");
  return empty.finish(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

}  // namespace

void mask_paths(sys::FdRef root, const std::vector<std::string>& paths) {
  sys::UniqueFd null, empty;
  for (const std::string& path : paths) {
    const auto place = sys::open_in_root_if_exists(root, path, O_PATH);
    if (!place) continue;
    struct stat info{};
    if (::fstat(place->get(), &info) != 0) throw errno_error("fstat", path);
    sys::UniqueFd cover;
    if (S_ISDIR(info.st_mode)) {
      // One empty file system for all: the first is attached itself, the others are copies of its mount.
      if (!empty) {
        empty = make_empty_folder();
        attach(empty, *place);
        continue;
      }
      cover = clone_tree(empty, false);
    } else {
      if (!null) null = open_null_device();
      cover = clone_tree(null, false);
    }
    attach(cover, *place);
  }
}

void protect_paths(sys::FdRef root, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const auto place = sys::open_in_root_if_exists(root, path, O_PATH);
    if (!place) continue;
    const sys::UniqueFd tree = clone_tree(*place, true);
    change_attributes(tree, MOUNT_ATTR_RDONLY, 0, 0, true);
    attach(tree, *place);
  }
}

namespace {

void copy_file(sys::FdRef from, sys::FdRef to, const std::string& name, const struct stat& info) {
  const sys::UniqueFd in = sys::open_at(from, name, O_RDONLY | O_NOFOLLOW);
  const sys::UniqueFd out = sys::open_at(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  char buffer[16384];
  for (;;) {
    const std::size_t size = sys::read_full(in, buffer, sizeof buffer);
    if (size == 0) break;
    sys::write_all(out, {buffer, size});
  }
  if (::fchown(out.get(), info.st_uid, info.st_gid) != 0) throw errno_error("fchown", name);
  if (::fchmod(out.get(), info.st_mode & 07777) != 0) throw errno_error("fchmod", name);
}

void copy_link(sys::FdRef from, sys::FdRef to, const std::string& name, const struct stat& info) {
  char target[4096];
  const ssize_t size = ::readlinkat(from.get(), name.c_str(), target, sizeof target - 1);
  if (size < 0) throw errno_error("readlinkat", name);
  target[size] = 0;
  if (::symlinkat(target, to.get(), name.c_str()) != 0) throw errno_error("symlinkat", name);
  if (::fchownat(to.get(), name.c_str(), info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
    throw errno_error("fchownat", name);
  }
}

void copy_entry(sys::FdRef from, sys::FdRef to, const std::string& name) {
  struct stat info{};
  if (::fstatat(from.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) throw errno_error("fstatat", name);
  if (S_ISREG(info.st_mode)) {
    copy_file(from, to, name, info);
  } else if (S_ISLNK(info.st_mode)) {
    copy_link(from, to, name, info);
  } else if (S_ISDIR(info.st_mode)) {
    if (::mkdirat(to.get(), name.c_str(), 0700) != 0) throw errno_error("mkdirat", name);
    const sys::UniqueFd inner_from = sys::open_at(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    const sys::UniqueFd inner_to = sys::open_at(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    copy_folder(inner_from, inner_to);
    if (::fchown(inner_to.get(), info.st_uid, info.st_gid) != 0) throw errno_error("fchown", name);
    if (::fchmod(inner_to.get(), info.st_mode & 07777) != 0) throw errno_error("fchmod", name);
  }  // devices, pipes and sockets are not copied
}

}  // namespace

void copy_folder(sys::FdRef from, sys::FdRef to) {
  for (const std::string& name : sys::list_dir(fd_path(from))) copy_entry(from, to, name);
}

}  // namespace berth::runtime::mounts
