#include "base/sys/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <memory>
#include <set>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::sys {

namespace {

int open_raw(int dir, const char* name, int flags, mode_t mode) {
  return retry_on_eintr([&] { return ::openat(dir, name, flags | O_CLOEXEC, mode); });
}

int open_resolved(int root, const char* path, int flags, mode_t mode, std::uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
  // O_TMPFILE contains O_DIRECTORY, so it has to be compared whole; a mode without either is refused.
  if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) how.mode = mode;
  how.resolve = resolve;
  for (int tries = 0;; ++tries) {
    const long fd = ::syscall(SYS_openat2, root, path, &how, sizeof how);
    // EAGAIN: something on the way was renamed meanwhile; the kernel asks for another try.
    if (fd >= 0 || (errno != EINTR && (errno != EAGAIN || tries > 64))) return static_cast<int>(fd);
  }
}

/// Closes a DIR stream.
struct DirCloser {
  void operator()(DIR* dir) const { ::closedir(dir); }
};
using DirStream = std::unique_ptr<DIR, DirCloser>;

DirStream open_stream(UniqueFd fd, const std::string& path) {
  DIR* dir = ::fdopendir(fd.get());
  if (dir == nullptr) throw errno_error("fdopendir", path);
  [[maybe_unused]] const int now_in_stream = fd.release();
  return DirStream{dir};
}

std::vector<std::string> names_in(DIR* dir) {
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir)) {  // NOLINT(concurrency-mt-unsafe): the stream is ours alone
    const std::string_view name{entry->d_name};
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

/// Removes what is in `dir` and below; never follows symlinks, never leaves the file system it started on.
void remove_content(const UniqueFd& dir, dev_t device, const std::string& path) {
  const DirStream stream = open_stream(open_at(dir, ".", O_RDONLY | O_DIRECTORY), path);
  for (const std::string& name : names_in(stream.get())) {
    if (::unlinkat(dir.get(), name.c_str(), 0) == 0 || errno == ENOENT) continue;
    if (errno != EISDIR && errno != EPERM && errno != ENOTEMPTY) throw errno_error("unlinkat", cat(path, '/', name));
    const int fd = open_raw(dir.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0) {
      if (errno == ENOENT) continue;
      throw errno_error("openat", cat(path, '/', name));
    }
    const UniqueFd child{fd};
    struct stat info{};
    if (::fstat(fd, &info) != 0) throw errno_error("fstat", cat(path, '/', name));
    if (info.st_dev != device) throw system_error(cat("remove ", path, '/', name, ": something is mounted there"));
    remove_content(child, device, cat(path, '/', name));
    if (::unlinkat(dir.get(), name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
      throw errno_error("rmdir", cat(path, '/', name));
    }
  }
}

void add_usage(const UniqueFd& dir, std::set<ino_t>& seen, std::uint64_t& total) {
  const DirStream stream = open_stream(open_at(dir, ".", O_RDONLY | O_DIRECTORY), ".");
  for (const std::string& name : names_in(stream.get())) {
    struct stat info{};
    if (::fstatat(dir.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;  // gone meanwhile
    if (S_ISDIR(info.st_mode)) {
      const int fd = open_raw(dir.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
      if (fd < 0) continue;
      add_usage(UniqueFd{fd}, seen, total);
    } else if (info.st_nlink < 2 || seen.insert(info.st_ino).second) {
      total += static_cast<std::uint64_t>(info.st_size);
    }
  }
}

/// remove_content where mounts must be looked for entry by entry.
void remove_around_mounts(const UniqueFd& dir, const std::string& name) {
  if (is_mount_root(dir, name)) throw errno_error(EBUSY, "unlinkat", name);
  if (::unlinkat(dir.get(), name.c_str(), 0) == 0 || errno == ENOENT) return;
  if (errno != EISDIR && errno != EPERM) throw errno_error("unlinkat", name);
  const int fd = open_raw(dir.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
  if (fd < 0) {
    if (errno == ENOENT) return;
    throw errno_error("openat", name);
  }
  const UniqueFd child{fd};
  const DirStream stream = open_stream(open_at(child, ".", O_RDONLY | O_DIRECTORY), name);
  for (const std::string& inner : names_in(stream.get())) remove_around_mounts(child, inner);
  if (::unlinkat(dir.get(), name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) throw errno_error("rmdir", name);
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

UniqueFd open_file(const std::string& path, int flags, mode_t mode) {
  const int fd = open_raw(AT_FDCWD, path.c_str(), flags, mode);
  if (fd < 0) throw errno_error("open", path);
  return UniqueFd{fd};
}

UniqueFd open_at(FdRef dir, const std::string& name, int flags, mode_t mode) {
  const int fd = open_raw(dir.get(), name.c_str(), flags, mode);
  if (fd < 0) throw errno_error("openat", name);
  return UniqueFd{fd};
}

std::optional<UniqueFd> open_at_if_exists(FdRef dir, const std::string& name, int flags) {
  const int fd = open_raw(dir.get(), name.c_str(), flags, 0);
  if (fd >= 0) return UniqueFd{fd};
  if (errno == ENOENT) return std::nullopt;
  throw errno_error("openat", name);
}

UniqueFd open_in_root(FdRef root, const std::string& path, int flags, mode_t mode) {
  const int fd = open_resolved(root.get(), path.c_str(), flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  if (fd < 0) throw errno_error("openat2", path);
  return UniqueFd{fd};
}

std::optional<UniqueFd> open_in_root_if_exists(FdRef root, const std::string& path, int flags, mode_t mode) {
  const int fd = open_resolved(root.get(), path.c_str(), flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  if (fd >= 0) return UniqueFd{fd};
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw errno_error("openat2", path);
}

UniqueFd make_dirs_in_root(FdRef root, const std::string& path, mode_t mode, uid_t uid, gid_t gid) {
  constexpr int kFlags = O_PATH | O_DIRECTORY;
  UniqueFd here = open_in_root(root, "/", kFlags);
  std::string done = "/";
  for (const std::string& part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    done += (done == "/" ? "" : "/") + part;
    // Resolved from the root each time, so that a symlink on the way leads where it would inside the
    // container.
    std::optional<UniqueFd> next = open_in_root_if_exists(root, done, kFlags);
    if (!next) {
      if (::mkdirat(here.get(), part.c_str(), mode) != 0 && errno != EEXIST) throw errno_error("mkdirat", done);
      if (::fchownat(here.get(), part.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0) throw errno_error("chown", done);
      next = open_in_root(root, done, kFlags);
    }
    here = std::move(*next);
  }
  return here;
}

std::string read_all(FdRef fd, std::size_t limit_bytes) {
  std::string content;
  struct stat info{};
  if (::fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
    content.reserve(std::min<std::size_t>(static_cast<std::size_t>(info.st_size) + 1, limit_bytes + 1));
  }
  for (;;) {
    const std::size_t had = content.size();
    const std::size_t room = std::max<std::size_t>(content.capacity() - had, 4096);
    content.resize(had + room);
    const ssize_t got = retry_on_eintr([&] { return ::read(fd.get(), content.data() + had, room); });
    if (got < 0) throw errno_error("read", "");
    content.resize(had + static_cast<std::size_t>(got));
    if (got == 0) return content;
    if (content.size() > limit_bytes) throw system_error(cat("file is larger than ", limit_bytes, " bytes"));
  }
}

std::string read_file(const std::string& path, std::size_t limit_bytes) {
  const UniqueFd fd = open_file(path, O_RDONLY);
  try {
    return read_all(fd, limit_bytes);
  } catch (Error& error) {
    error.during(path);
    throw;
  }
}

std::optional<std::string> read_file_if_exists(const std::string& path, std::size_t limit_bytes) {
  const int fd = open_raw(AT_FDCWD, path.c_str(), O_RDONLY, 0);
  if (fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ESRCH) return std::nullopt;
    throw errno_error("open", path);
  }
  const UniqueFd owner{fd};
  try {
    return read_all(owner, limit_bytes);
  } catch (Error& error) {
    if (error.error_number() == ESRCH) return std::nullopt;
    error.during(path);
    throw;
  }
}

void write_all(FdRef fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t put = retry_on_eintr([&] { return ::write(fd.get(), content.data(), content.size()); });
    if (put < 0) throw errno_error("write", "");
    content.remove_prefix(static_cast<std::size_t>(put));
  }
}

std::size_t read_full(FdRef fd, char* buffer, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = retry_on_eintr([&] { return ::read(fd.get(), buffer + done, size - done); });
    if (got < 0) throw errno_error("read", "");
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

void write_control(FdRef dir, const std::string& name, std::string_view text) {
  const UniqueFd fd = open_at(dir, name, O_WRONLY);
  if (retry_on_eintr([&] { return ::write(fd.get(), text.data(), text.size()); }) < 0) {
    throw errno_error("write", cat(name, " (", text, ")"));
  }
}

void write_file(const std::string& path, std::string_view content, mode_t mode) {
  const UniqueFd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
  try {
    write_all(fd, content);
  } catch (Error& error) {
    error.during(path);
    throw;
  }
}

void write_file_durably(const std::string& path, std::string_view content, mode_t mode) {
  const std::string temporary = cat(path, ".", random_hex(6), ".tmp");
  try {
    const UniqueFd fd = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
    write_all(fd, content);
    fsync(fd, temporary);
    rename(temporary, path);
  } catch (Error& error) {
    ::unlink(temporary.c_str());
    error.during(cat("writing ", path));
    throw;
  }
  sync_dir(parent_of(path));
}

void make_dir(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0) throw errno_error("mkdir", path);
}

void ensure_dir(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) return;
  if (errno == ENOENT) {
    ensure_dir(parent_of(path), 0755);
    if (::mkdir(path.c_str(), mode) == 0) return;
  }
  struct stat info{};
  if (errno == EEXIST && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return;
  throw errno_error("mkdir", path);
}

void ensure_private_dir(const std::string& path) {
  ensure_dir(path, 0710);
  if (::chmod(path.c_str(), 0710) != 0) throw errno_error("chmod", path);
}

void remove_tree(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) return;
  const int fd = open_raw(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
  if (fd < 0) {
    if (errno == ENOENT) return;
    throw errno_error("open", path);
  }
  const UniqueFd dir{fd};
  struct stat info{};
  if (::fstat(fd, &info) != 0) throw errno_error("fstat", path);
  // Somebody may still write there who is on the way out: a rotated log that is being compressed, say.
  constexpr int kAttempts = 5;
  for (int attempt = 1;; ++attempt) {
    remove_content(dir, info.st_dev, path);
    if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return;
    if (errno != ENOTEMPTY || attempt == kAttempts) throw errno_error("rmdir", path);
  }
}

void remove_tree_at(FdRef dir, const std::string& name) {
  const UniqueFd own = duplicate(dir);
  remove_around_mounts(own, name);
}

bool is_mount_root(FdRef dir, const std::string& name) {
  struct statx info{};
  if (::statx(dir.get(), name.c_str(), AT_SYMLINK_NOFOLLOW, 0, &info) != 0) return false;
  return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

void remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw errno_error("unlink", path);
}

void rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw errno_error("rename", cat(from, " to ", to));
}

void fsync(FdRef fd, std::string_view object) {
  if (retry_on_eintr([&] { return ::fsync(fd.get()); }) != 0) throw errno_error("fsync", object);
}

void sync_dir(const std::string& path) {
  const UniqueFd dir = open_file(path, O_RDONLY | O_DIRECTORY);
  fsync(dir, path);
}

bool exists(const std::string& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  throw errno_error("lstat", path);
}

std::optional<struct stat> stat_if_exists(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0) return info;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw errno_error("stat", path);
}

std::optional<std::string> read_link(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
  if (length < 0) {
    if (errno == ENOENT || errno == EINVAL) return std::nullopt;
    throw errno_error("readlink", path);
  }
  return std::string{target, static_cast<std::size_t>(length)};
}

DiskSpace disk_space(const std::string& path) {
  struct statvfs disk{};
  if (::statvfs(path.c_str(), &disk) != 0) throw errno_error("statvfs", path);
  return {.total = std::uint64_t{disk.f_blocks} * disk.f_frsize,
          .available = std::uint64_t{disk.f_bavail} * disk.f_frsize};
}

std::vector<std::string> list_dir(const std::string& path) {
  const int fd = open_raw(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0) {
    if (errno == ENOENT) return {};
    throw errno_error("open", path);
  }
  const DirStream stream = open_stream(UniqueFd{fd}, path);
  return names_in(stream.get());
}

std::uint64_t disk_usage(const std::string& path) {
  const int fd = open_raw(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
  if (fd < 0) return 0;
  std::set<ino_t> seen;
  std::uint64_t total = 0;
  const UniqueFd dir{fd};
  add_usage(dir, seen, total);
  return total;
}

UniqueFd memory_file(const std::string& name, std::string_view content) {
  UniqueFd fd{::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!fd) throw errno_error("memfd_create", name);
  write_all(fd, content);
  if (::lseek(fd.get(), 0, SEEK_SET) != 0) throw errno_error("lseek", name);
  return fd;
}

TemporaryDir::TemporaryDir(const std::string& parent, std::string_view prefix)
    : path_(cat(parent, '/', prefix, random_hex(8))) {
  make_dir(path_, 0700);
}

TemporaryDir::~TemporaryDir() {
  if (path_.empty()) return;
  try {
    remove_tree(path_);
  } catch (const Error&) {  // the start-up sweep finds it; a destructor has nobody to tell
  }
}

}  // namespace berth::sys
