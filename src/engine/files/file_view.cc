#include "engine/files/file_view.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <deque>

#include "archive/chunks.h"
#include "archive/compression.h"
#include "archive/unpack.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "engine/files/go_path.h"
#include "runtime/init/users.h"

namespace berth::engine::files {

namespace {

constexpr std::array<std::string_view, 3> kKernelFolders{"/proc", "/sys", "/dev"};
constexpr int kMaxSymlinks = 255;
constexpr std::size_t kUploadBytes = 256 << 10;  ///< pieces in which the data of files goes to the disk

/// Where a descriptor's file is, in its own mount namespace.
std::string place_of(sys::FdRef fd) {
  char path[PATH_MAX];
  const ssize_t length = ::readlink(cat("/proc/self/fd/", fd.get()).c_str(), path, sizeof path);
  if (length < 0) throw errno_error("readlink", "descriptor");
  return {path, static_cast<std::size_t>(length)};
}

struct stat stat_of(sys::FdRef fd) {
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) throw errno_error("fstat", "descriptor");
  return info;
}

/// Go's os.FileMode: its own bits for what is not a permission.
std::uint32_t go_mode(mode_t mode) {
  std::uint32_t bits = mode & 0777;
  switch (mode & S_IFMT) {
    case S_IFDIR: bits |= 1U << 31; break;
    case S_IFLNK: bits |= 1U << 27; break;
    case S_IFBLK: bits |= 1U << 26; break;
    case S_IFCHR: bits |= 1U << 26 | 1U << 21; break;
    case S_IFIFO: bits |= 1U << 25; break;
    case S_IFSOCK: bits |= 1U << 24; break;
    default: break;
  }
  if ((mode & S_ISUID) != 0) bits |= 1U << 23;
  if ((mode & S_ISGID) != 0) bits |= 1U << 22;
  if ((mode & S_ISVTX) != 0) bits |= 1U << 20;
  return bits;
}

Error go_error(std::string_view call, std::string_view path, int error_number) {
  return {ErrorKind::system, cat(call, " ", path, ": ", go_error_text(error_number)), error_number};
}

/// File systems whose files are the kernel's (a privileged container may mount them anywhere).
bool is_kernels(int folder) {
  struct statfs info{};
  if (::fstatfs(folder, &info) != 0) return false;
  constexpr std::array<unsigned long, 10> kTypes{
      PROC_SUPER_MAGIC, SYSFS_MAGIC,   CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC,
      DEBUGFS_MAGIC,    TRACEFS_MAGIC, SECURITYFS_MAGIC,   BPF_FS_MAGIC,        0x19800202 /* mqueue */};
  return std::ranges::find(kTypes, static_cast<unsigned long>(info.f_type)) != kTypes.end();
}

/// The kernel's words in Go's case, and broken archives as Docker answers for them (500).
Error as_docker_says(const Error& error) {
  if (error.kind() == ErrorKind::cancelled) return error;
  std::string text = error.text();
  if (error.error_number() != 0) {
    const std::string_view kernels = std::strerror(error.error_number());  // NOLINT(concurrency-mt-unsafe): glibc's is
    if (text.ends_with(kernels))
      text = text.substr(0, text.size() - kernels.size()) + go_error_text(error.error_number());
  }
  return system_error(std::move(text));  // without the number: a file that is missing here is not the client's path
}

}  // namespace

std::string go_error_text(int error_number) {
  std::string text = std::strerror(error_number);  // NOLINT(concurrency-mt-unsafe): glibc's is safe
  if (text.size() > 1 && text[1] >= 'a') text[0] = to_lower(text.substr(0, 1))[0];
  return text;
}

std::optional<sys::UniqueFd> open_live_root(pid_t pid, sys::FdRef init) {
  sys::UniqueFd root{::open(cat("/proc/", pid, "/root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  // Alive now, it was so then: the pid has not gone to somebody else in between.
  if (!root || !sys::signal_pidfd(init, 0)) return std::nullopt;
  // A program may have changed its root (chroot); the container's is where ".." leads no further.
  for (struct stat here = stat_of(root);;) {
    sys::UniqueFd above = sys::open_at(root, "..", O_PATH | O_DIRECTORY);
    const struct stat there = stat_of(above);
    if (there.st_dev == here.st_dev && there.st_ino == here.st_ino) return root;
    root = std::move(above);
    here = there;
  }
}

FileView::FileView(sys::UniqueFd root, bool live, const container::Record& record)
    : root_(std::move(root)),
      live_(live),
      read_only_root_(record.host_config.readonly_rootfs),
      user_(record.config.user),
      mounts_(record.mount_points) {
  for (const auto& [destination, options] : record.host_config.tmpfs) tmpfs_.push_back(archive::go_clean(destination));
}

sys::UniqueFd FileView::open(const std::string& path, int flags) const {
  if (is_hidden(archive::go_clean(cat("/", path)))) throw go_error("lstat", path, ENOENT);
  try {
    sys::UniqueFd fd = sys::open_in_root(root_, path, flags | O_PATH);
    if (is_hidden(place_of(fd))) throw go_error("lstat", path, ENOENT);
    return fd;
  } catch (const Error& error) {
    if (error.error_number() == 0) throw;
    throw go_error("lstat", path, error.error_number());
  }
}

/// Whether Docker, which sees the container without what its start mounts, would find nothing there.
bool FileView::is_hidden(std::string_view path) const {
  if (!live_) return false;
  for (const std::string_view kernels : kKernelFolders) {
    if (!is_within(path, kernels) || path == kernels) continue;
    const auto shows = [&](std::string_view mount) { return is_within(mount, kernels) && is_within(path, mount); };
    return !shows("/dev/shm") && std::ranges::none_of(mounts_, shows, &container::MountPoint::destination) &&
           std::ranges::none_of(tmpfs_, shows);
  }
  return false;
}

bool FileView::may_enter(int folder, std::string_view path) const {
  if (!live_) return true;
  const bool is_kernels_own = std::ranges::find(kKernelFolders, path) != kKernelFolders.end() &&
                              std::ranges::find(mounts_, path, &container::MountPoint::destination) == mounts_.end();
  return !is_kernels_own && !is_kernels(folder);
}

/// Where a symlink leads in the end, as far as there is something on the way.
std::string FileView::follow(const std::string& path) const {
  std::vector<std::string> done;
  std::deque<std::string> rest;
  const auto put_first = [&](std::string_view names) {
    std::vector<std::string> parts = split(names, '/');
    rest.insert(rest.begin(), parts.begin(), parts.end());
  };
  put_first(path);
  for (int links = 0; !rest.empty();) {
    const std::string name = std::move(rest.front());
    rest.pop_front();
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      if (!done.empty()) done.pop_back();
      continue;
    }
    done.push_back(name);
    const std::string here = join(done, "/");
    const auto place = sys::open_in_root_if_exists(root_, here, O_PATH | O_NOFOLLOW);
    if (!place || !S_ISLNK(stat_of(*place).st_mode)) continue;
    if (++links > kMaxSymlinks) throw system_error(cat("too many links in ", path));
    char target[PATH_MAX];
    const ssize_t length = ::readlinkat(place->get(), "", target, sizeof target);
    if (length <= 0) throw go_error("readlink", cat("/", here), errno);
    done.pop_back();
    if (target[0] == '/') done.clear();
    put_first({target, static_cast<std::size_t>(length)});
  }
  return cat("/", join(done, "/"));
}

PathStat FileView::stat(const std::string& path) const {
  const sys::UniqueFd place = open(path, O_NOFOLLOW);
  const struct stat info = stat_of(place);
  PathStat out{.name = base_of(path), .size = info.st_size, .mode = go_mode(info.st_mode)};
  out.mtime =
      format_time(Time{std::chrono::seconds{info.st_mtim.tv_sec}} + std::chrono::nanoseconds{info.st_mtim.tv_nsec});
  if (S_ISLNK(info.st_mode)) out.link_target = follow(path);
  return out;
}

void FileView::archive(const std::string& path, ByteSink& out) const {
  archive::BufferedSink buffered{out};
  archive::TarWriter tar{buffered};
  try {
    const std::string whole = absolute(path), name = base_of(whole);
    const sys::UniqueFd place = open(whole, O_NOFOLLOW);
    struct stat info = stat_of(place);
    if (S_ISDIR(info.st_mode)) {
      const sys::UniqueFd folder = sys::open_file(cat("/proc/self/fd/", place.get()), O_RDONLY | O_DIRECTORY);
      const std::string real = place_of(place), base = real == "/" ? "" : real;
      const archive::TreeOptions options{
          .prefix = name, .include_root = true, .enter = [&](int fd, const std::string& inner) {
            return may_enter(fd, cat(base, "/", inner));
          }};
      if (may_enter(folder.get(), real)) {
        archive::write_tree(folder, tar, options);
      } else {
        archive::EntryWriter{tar}.add_folder(folder.get(), name);
      }
    } else {
      const sys::UniqueFd parent = open(whole.substr(0, whole.rfind('/') + 1), O_DIRECTORY);
      archive::EntryWriter{tar}.add(parent.get(), name, name, info);
    }
    tar.finish();
    buffered.flush();
  } catch (const Error& error) {
    throw as_docker_says(error);
  }
}

void FileView::check_writable(std::string_view path) const {
  for (const container::MountPoint& mount : mounts_) {
    if (!is_within(path, mount.destination)) continue;
    if (!mount.rw) throw invalid("mounted volume is marked read-only");
    return;
  }
  const auto holds = [&](std::string_view mount) { return is_within(path, mount); };
  if (read_only_root_ && (!live_ || std::ranges::none_of(tmpfs_, holds))) {
    throw invalid("container rootfs is marked read-only");
  }
}

/// By the container's own accounts, read as data.
std::pair<std::uint32_t, std::uint32_t> FileView::user_of_container() const {
  const auto read = [&](const char* path) -> std::string {
    const auto file = sys::open_in_root_if_exists(root_, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!file || !S_ISREG(stat_of(*file).st_mode)) return "";
    return sys::read_all(*file, 16 << 20);
  };
  const runtime::init::Identity user = runtime::init::find_identity(user_, {}, read("etc/passwd"), read("etc/group"));
  return {user.uid, user.gid};
}

void FileView::extract(const ExtractOptions& options, ByteSource& tar) const {
  const sys::UniqueFd destination = open(archive::go_clean(cat("/", options.path)), 0);
  if (!S_ISDIR(stat_of(destination).st_mode)) throw invalid("extraction point is not a directory");
  const std::string path = place_of(destination);
  check_writable(path);
  archive::UnpackOptions unpack{
      .base = path, .refuse_escapes = true, .keep_kinds = options.keep_kinds, .around_mounts = true};
  if (options.users_own && !user_.empty()) unpack.owner = user_of_container();
  archive::PeekedSource peeked{tar};
  const auto plain = archive::decompress(peeked, archive::detect_compression(peeked.peek(6)));
  try {
    archive::BufferedChunks chunks{*plain, kUploadBytes};
    archive::TarReader reader{chunks};
    archive::Unpacker{sys::duplicate(root_), unpack}.unpack(reader);
  } catch (const Error& error) {
    throw as_docker_says(error);
  }
}

}  // namespace berth::engine::files
