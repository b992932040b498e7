#include "runtime/mounts/mount_api.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <exception>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

// <sys/mount.h> cannot be included beside <linux/mount.h> with this glibc.
extern "C" int mount(const char*, const char*, const char*, unsigned long, const void*) noexcept;

namespace berth::runtime::mounts {
namespace {

constexpr unsigned kNoFollow = 0x100, kEmptyPath = 0x1000, kRecursive = 0x8000;  // AT_SYMLINK_NOFOLLOW, …

sys::UniqueFd clone_from(int dir, const char* path, unsigned flags, const std::string& shown) {
  const long fd = ::syscall(SYS_open_tree, dir, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
  if (fd < 0) throw errno_error("open_tree", shown);
  return sys::UniqueFd{static_cast<int>(fd)};
}

}  // namespace

sys::UniqueFd clone_tree(const std::string& path, bool recursive) {
  return clone_from(AT_FDCWD, path.c_str(), recursive ? kRecursive : 0, path);
}

sys::UniqueFd clone_tree(sys::FdRef place, bool recursive) {
  return clone_from(place.get(), "", kEmptyPath | (recursive ? kRecursive : 0), "descriptor");
}

sys::UniqueFd clone_tree_of(const std::string& mount_namespace, const std::string& path, bool recursive) {
  const sys::UniqueFd root = sys::open_file("/", O_PATH | O_DIRECTORY);
  const sys::UniqueFd own = sys::open_file("/proc/self/ns/mnt", O_RDONLY);
  const sys::UniqueFd theirs = sys::open_file(mount_namespace, O_RDONLY);
  if (::setns(theirs.get(), CLONE_NEWNS) != 0) throw errno_error("setns", mount_namespace);
  sys::UniqueFd tree;
  std::exception_ptr failure;
  try {
    // Not through a symlink: what lies there is the other container's to say.
    tree = clone_from(AT_FDCWD, path.c_str(), kNoFollow | (recursive ? kRecursive : 0), path);
  } catch (const Error&) {
    failure = std::current_exception();
  }
  if (::setns(own.get(), CLONE_NEWNS) != 0) throw errno_error("setns", "own mount namespace");
  // Entering has moved us on top of whatever is mounted over "/" by now: back to where we were.
  if (::fchdir(root.get()) != 0 || ::chroot(".") != 0) throw errno_error("chroot", "/");
  if (failure) std::rethrow_exception(failure);
  return tree;
}

void attach(sys::FdRef mount, sys::FdRef target) {
  const unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  if (::syscall(SYS_move_mount, mount.get(), "", target.get(), "", flags) != 0) {
    const int error_number = errno;
    struct stat above{}, below{};
    if (error_number == EINVAL && ::fstat(mount.get(), &above) == 0 && ::fstat(target.get(), &below) == 0 &&
        S_ISDIR(above.st_mode) != S_ISDIR(below.st_mode)) {
      throw Error{ErrorKind::system, "not a directory", ENOTDIR};  // mount(2)'s answer, which says more
    }
    errno = error_number;
    throw errno_error("move_mount", "");
  }
}

void attach_over_root(sys::FdRef mount) {
  if (::syscall(SYS_move_mount, mount.get(), "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    throw errno_error("move_mount", "/");
  }
}

void change_attributes(sys::FdRef mount, std::uint64_t set, std::uint64_t clear, unsigned long propagation,
                       bool recursive) {
  mount_attr attributes{};
  attributes.attr_set = set;
  attributes.attr_clr = clear;
  attributes.propagation = propagation;
  const unsigned flags = kEmptyPath | (recursive ? kRecursive : 0);
  if (::syscall(SYS_mount_setattr, mount.get(), "", flags, &attributes, sizeof attributes) != 0) {
    throw errno_error("mount_setattr", "");
  }
}

void make_mount_private(const std::string& path) {
  sys::UniqueFd place = sys::open_file(path, O_PATH | O_DIRECTORY);
  const auto is_mount_root = [&] {
    struct statx info{};
    if (::statx(place.get(), "", AT_EMPTY_PATH, 0, &info) != 0) throw errno_error("statx", path);
    return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  };
  while (!is_mount_root()) place = sys::open_at(place, "..", O_PATH | O_DIRECTORY);
  change_attributes(place, 0, 0, MS_PRIVATE, false);
}

NewFilesystem::NewFilesystem(const std::string& type)
    : type_(type), context_(static_cast<int>(::syscall(SYS_fsopen, type.c_str(), FSOPEN_CLOEXEC))) {
  if (!context_) throw errno_error("fsopen", type);
}

bool NewFilesystem::try_set(const std::string& key, const std::string& value) {
  return ::syscall(SYS_fsconfig, context_.get(), FSCONFIG_SET_STRING, key.c_str(), value.c_str(), 0) == 0;
}

void NewFilesystem::set(const std::string& key, const std::string& value) {
  if (!try_set(key, value)) {
    const int error_number = errno;
    throw errno_error(error_number, cat("fsconfig ", type_, ' ', key, explanation()), value);
  }
}

void NewFilesystem::set_flag(const std::string& key) {
  if (::syscall(SYS_fsconfig, context_.get(), FSCONFIG_SET_FLAG, key.c_str(), nullptr, 0) != 0) {
    throw errno_error("fsconfig", cat(type_, ' ', key));
  }
}

sys::UniqueFd NewFilesystem::finish(std::uint64_t attributes) {
  if (::syscall(SYS_fsconfig, context_.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    const int error_number = errno;
    throw errno_error(error_number, cat("fsconfig", explanation()), type_);
  }
  const long fd = ::syscall(SYS_fsmount, context_.get(), FSMOUNT_CLOEXEC, attributes);
  if (fd < 0) throw errno_error("fsmount", type_);
  return sys::UniqueFd{static_cast<int>(fd)};
}

std::string NewFilesystem::explanation() const {
  char text[512];
  const ssize_t size = ::read(context_.get(), text, sizeof text);
  if (size <= 0) return "";
  return cat(" (", trim(std::string_view{text, static_cast<std::size_t>(size)}), ')');
}

void mount_on(sys::FdRef target, const std::string& type, const std::string& source, unsigned long flags,
              const std::string& data) {
  if (::mount(source.c_str(), fd_path(target).c_str(), type.c_str(), flags, data.c_str()) != 0) {
    throw errno_error("mount", type);
  }
}

std::string fd_path(sys::FdRef fd) { return cat("/proc/self/fd/", fd.get()); }

}  // namespace berth::runtime::mounts
