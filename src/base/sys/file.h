#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/sys/fd.h"

namespace berth::sys {

/// open(2)/openat(2), close-on-exec. `flags` are O_*.
UniqueFd open_file(const std::string& path, int flags, mode_t mode = 0644);
UniqueFd open_at(FdRef dir, const std::string& name, int flags, mode_t mode = 0644);
std::optional<UniqueFd> open_at_if_exists(FdRef dir, const std::string& name, int flags);

/// openat2(2) with RESOLVE_IN_ROOT: `path` is resolved as if `root` were "/"; no symlink, "..", or absolute
/// link leads out of it, even while another process changes the tree. The way into anything that a container
/// can write.
UniqueFd open_in_root(FdRef root, const std::string& path, int flags, mode_t mode = 0644);
std::optional<UniqueFd> open_in_root_if_exists(FdRef root, const std::string& path, int flags, mode_t mode = 0644);
/// Makes every missing folder of `path` below `root` (mode, owner uid:gid) without leaving it; returns the
/// last one, opened O_PATH|O_DIRECTORY.
UniqueFd make_dirs_in_root(FdRef root, const std::string& path, mode_t mode, uid_t uid = 0, gid_t gid = 0);

/// Whole content of a file; throws system when it can't be read or is larger than `limit_bytes`.
std::string read_file(const std::string& path, std::size_t limit_bytes = 64 << 20);
/// A file of /proc whose process ends between open and read (ESRCH) does not exist either.
std::optional<std::string> read_file_if_exists(const std::string& path, std::size_t limit_bytes = 64 << 20);
std::string read_all(FdRef fd, std::size_t limit_bytes = 64 << 20);

/// One write(2) to an existing file, as the kernel's control files want it.
void write_control(FdRef dir, const std::string& name, std::string_view text);
/// Creates or truncates. Not durable.
void write_file(const std::string& path, std::string_view content, mode_t mode = 0644);
/// New content or old content, never half: temporary file, fsync, rename, fsync of the folder.
void write_file_durably(const std::string& path, std::string_view content, mode_t mode = 0644);
void write_all(FdRef fd, std::string_view content);
/// Reads until `size` bytes or end of file; returns what came.
std::size_t read_full(FdRef fd, char* buffer, std::size_t size);

void make_dir(const std::string& path, mode_t mode = 0755);    ///< throws when it is there
void ensure_dir(const std::string& path, mode_t mode = 0755);  ///< makes all parents too
void ensure_private_dir(const std::string& path);              ///< mode 0700 (0710), parents 0755
/// Removes a tree without following symlinks or crossing into mounts; what is gone already is no error.
void remove_tree(const std::string& path);
/// The same for `name` in a folder where somebody else may have mounted something (a container's root, seen from
/// outside): throws EBUSY rather than touch what is mounted. The kernel itself would refuse only for mounts of our own
/// namespace, and take others away together with the name.
void remove_tree_at(FdRef dir, const std::string& name);
/// Whether something is mounted at `name`, in whichever mount namespace `dir` was opened.
bool is_mount_root(FdRef dir, const std::string& name);
void remove_file(const std::string& path);  ///< absence is no error
void rename(const std::string& from, const std::string& to);
void fsync(FdRef fd, std::string_view object);
void sync_dir(const std::string& path);
bool exists(const std::string& path);                                ///< lstat; false only for ENOENT/ENOTDIR
std::optional<struct stat> stat_if_exists(const std::string& path);  ///< follows symlinks
std::optional<std::string> read_link(const std::string& path);       ///< nullopt for what is missing or no symlink
std::vector<std::string> list_dir(const std::string& path);  ///< names without . and .., any order; absent is {}
std::uint64_t disk_usage(const std::string& path);           ///< bytes of regular files below, hard links counted once

struct DiskSpace {
  std::uint64_t total = 0, available = 0;  ///< bytes; available to whoever is not root
};
DiskSpace disk_space(const std::string& path);  ///< of the file system that `path` is on

/// An anonymous file in memory (memfd_create) holding `content`, positioned at 0.
UniqueFd memory_file(const std::string& name, std::string_view content);

/// A folder of its own below `parent`, removed with everything in it unless kept.
class TemporaryDir {
 public:
  explicit TemporaryDir(const std::string& parent, std::string_view prefix = "tmp-");
  TemporaryDir(TemporaryDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryDir& operator=(TemporaryDir&&) = delete;
  TemporaryDir(const TemporaryDir&) = delete;
  ~TemporaryDir();
  const std::string& path() const { return path_; }
  std::string keep() { return std::exchange(path_, {}); }

 private:
  std::string path_;
};

}  // namespace berth::sys
