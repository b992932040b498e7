#include "archive/unpack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <climits>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::archive {

namespace {

constexpr std::string_view kWhiteoutPrefix = ".wh.", kWhiteoutMetaPrefix = ".wh..wh.", kOpaque = ".wh..wh..opq";
constexpr const char* kOpaqueXattr = "trusted.overlay.opaque";
constexpr std::uint64_t kWritebackBytes = 8 << 20;

timespec to_timespec(TarTime time) { return {time.seconds, time.nanoseconds}; }

std::string fd_path(int fd) { return cat("/proc/self/fd/", fd); }

std::string real_path(int fd) {
  char buffer[PATH_MAX];
  const ssize_t length = ::readlink(fd_path(fd).c_str(), buffer, sizeof buffer);
  if (length < 0) throw errno_error("readlink", fd_path(fd));
  if (static_cast<std::size_t>(length) == sizeof buffer) throw errno_error(ENAMETOOLONG, "readlink", fd_path(fd));
  return {buffer, static_cast<std::size_t>(length)};
}

/// Attributes that steer overlayfs itself would let an archive point into other layers.
bool is_forbidden_xattr(std::string_view name) {
  return name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.") || name == kOpaqueStandIn;
}

template <class Set>
void set_xattrs(const TarEntry& entry, Set set) {
  for (const auto& [name, value] : entry.xattrs) {
    if (is_forbidden_xattr(name)) continue;
    // The file system may not keep attributes; dockerd goes on without them too.
    if (set(name.c_str(), value) != 0 && errno != ENOTSUP) throw errno_error(cat("setxattr ", name), entry.path);
  }
}

void set_opaque(int dir, const std::string& name, const std::string& path) {
  const std::string target = cat(fd_path(dir), "/", name);
  if (::lsetxattr(target.c_str(), kOpaqueXattr, "y", 1, 0) == 0) return;
  if ((errno != EPERM && errno != EOPNOTSUPP) || ::lsetxattr(target.c_str(), kOpaqueStandIn, "y", 1, 0) != 0) {
    throw errno_error("setxattr", path);
  }
}

bool is_whiteout(const struct stat& info) {
  return (S_ISCHR(info.st_mode) && info.st_rdev == 0) || S_ISSOCK(info.st_mode);
}

int make_whiteout(int dir, const std::string& name) {
  const int made = ::mknodat(dir, name.c_str(), S_IFCHR, 0);
  return made != 0 && errno == EPERM ? ::mknodat(dir, name.c_str(), S_IFSOCK, 0) : made;
}

}  // namespace

std::string clean_path(std::string_view path) {
  std::string clean;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      const std::size_t cut = clean.rfind('/');
      clean.resize(cut == std::string::npos ? 0 : cut);
      continue;
    }
    if (!clean.empty()) clean += '/';
    clean += name;
  }
  return clean;
}

std::string go_clean(std::string_view path) {
  const bool absolute = path.starts_with('/');
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (name.empty() || name == ".") continue;
    if (name == ".." && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (name != ".." || !absolute) {
      parts.push_back(name);
    }
  }
  std::string clean = absolute ? "/" : "";
  for (std::size_t i = 0; i < parts.size(); ++i) clean += cat(i == 0 ? "" : "/", parts[i]);
  return clean.empty() ? "." : clean;
}

Unpacker::Unpacker(const std::string& root, UnpackOptions options)
    : Unpacker(sys::open_file(root, O_PATH | O_DIRECTORY), std::move(options)) {}

Unpacker::Unpacker(sys::UniqueFd root, UnpackOptions options)
    : options_(std::move(options)), root_(std::move(root)), real_root_(real_path(root_.get())) {
  if (real_root_ == "/") real_root_.clear();
  options_.base = clean_path(options_.base);
}

std::pair<std::uint32_t, std::uint32_t> Unpacker::owner_of(const TarEntry& entry) const {
  return options_.owner.value_or(std::pair{entry.uid, entry.gid});
}

/// A path below the root as the container or the user names it.
std::string Unpacker::shown(const std::string& path) const { return cat("/", path); }

/// What dockerd refuses although it would do no harm here, where nothing leads out of the root: clients rely on it.
void Unpacker::check_escape(const TarEntry& entry) const {
  const std::string name = go_clean(entry.path), base = shown(options_.base);
  const auto inside = [&](const std::string& path) { return path.starts_with(base); };
  if (name == ".." || name.starts_with("../")) {
    throw invalid(cat(quoted(entry.path), " is outside of ", quoted(base)));
  }
  const std::string path = go_clean(cat(base, "/", name));
  if (entry.type == EntryType::hard_link) {
    const std::string target = go_clean(cat(base, "/", entry.link));
    if (!inside(target)) throw invalid(cat("invalid hardlink ", quoted(target), " -> ", quoted(entry.link)));
  } else if (entry.type == EntryType::symlink) {
    const std::string target = go_clean(cat(path, "/../", entry.link));
    if (!inside(target)) throw invalid(cat("invalid symlink ", quoted(path), " -> ", quoted(entry.link)));
  }
}

void Unpacker::check_kind(const Place& place, bool is_folder, bool was_folder) const {
  if (!options_.keep_kinds || is_folder == was_folder) return;
  throw invalid(cat("cannot overwrite ", was_folder ? "directory " : "non-directory ", quoted(shown(place.path)),
                    " with ", is_folder ? "directory " : "non-directory ", quoted(shown(options_.base))));
}

void Unpacker::unpack(TarReader& tar) {
  while (std::optional<TarEntry> entry = tar.next()) add(*entry, tar);
  tar.drain();
  finish();
}

Unpacker::Place Unpacker::locate(const std::string& clean) {
  const std::size_t slash = clean.rfind('/');
  const std::string parent = slash == std::string::npos ? "" : clean.substr(0, slash);
  if (!parent_valid_ || parent != parent_path_) {
    const std::string lookup = parent.empty() ? "." : parent;
    auto found = sys::open_in_root_if_exists(root_, lookup, O_PATH | O_DIRECTORY);
    parent_ = found ? std::move(*found) : sys::make_dirs_in_root(root_, lookup, 0755);
    parent_path_ = parent;
    const std::string real = real_path(parent_.get());
    if (real != real_root_ && !real.starts_with(real_root_ + "/")) {
      throw system_error(cat("unpack ", clean, ": the folder moved away"));
    }
    parent_real_ = real.size() > real_root_.size() ? real.substr(real_root_.size() + 1) : "";
    parent_valid_ = true;
  }
  std::string name = clean.substr(slash == std::string::npos ? 0 : slash + 1);
  std::string path = parent_real_.empty() ? name : cat(parent_real_, "/", name);
  return {parent_.get(), std::move(name), std::move(path)};
}

void Unpacker::add(const TarEntry& entry, TarReader& tar) {
  if (++entries_ > options_.max_entries) {
    throw invalid(cat("the archive has more than ", options_.max_entries, " entries"));
  }
  const std::string clean = clean_path(entry.path);
  if (clean.empty()) {
    drop_data(tar);
    return;
  }
  if (options_.refuse_escapes) check_escape(entry);
  const Place place = locate(options_.base.empty() ? clean : cat(options_.base, "/", clean));
  if (options_.whiteouts == Whiteouts::overlay && add_whiteout(place)) {
    drop_data(tar);
    return;
  }
  switch (entry.type) {
    case EntryType::file: add_file(entry, tar, place); break;
    case EntryType::directory: add_directory(entry, place); break;
    case EntryType::hard_link: add_hard_link(entry, place); break;
    default: add_other(entry, place);
  }
}

void Unpacker::drop_data(TarReader& tar) const {
  for (std::string_view piece = tar.data(); !piece.empty(); piece = tar.data()) {
    if (options_.recipe != nullptr) options_.recipe->raw(piece);
  }
}

/// OCI image-spec layer.md, "Whiteouts". A whiteout hides what lower layers have, never what this layer has itself.
bool Unpacker::add_whiteout(const Place& place) {
  if (!place.name.starts_with(kWhiteoutPrefix)) return false;
  if (place.name == kOpaque) {
    set_opaque(place.dir, ".", place.path);
    return true;
  }
  if (place.name.starts_with(kWhiteoutMetaPrefix)) return true;  // bookkeeping of aufs
  const std::string name = place.name.substr(kWhiteoutPrefix.size());
  if (name.empty() || name == "." || name == "..") throw invalid(cat("invalid whiteout ", quoted(place.path)));
  if (make_whiteout(place.dir, name) == 0) return true;
  if (errno != EEXIST) throw errno_error("mknod", place.path);
  struct stat info{};
  if (::fstatat(place.dir, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) throw errno_error("stat", place.path);
  if (S_ISDIR(info.st_mode)) set_opaque(place.dir, name, place.path);
  return true;
}

bool Unpacker::replace(const Place& place) {
  parent_valid_ = false;  // the way to the cached folder may lead through what goes now
  struct stat info{};
  if (::fstatat(place.dir, place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return false;
    throw errno_error("stat", place.path);
  }
  if (S_ISDIR(info.st_mode)) check_kind(place, false, true);
  if (options_.around_mounts && sys::is_mount_root(sys::FdRef::borrow(place.dir), place.name)) {
    throw errno_error(EBUSY, "unlinkat", shown(place.path));
  }
  const bool has_data = S_ISDIR(info.st_mode) || (S_ISREG(info.st_mode) && info.st_size != 0);
  if (options_.recipe != nullptr && has_data) {
    const std::string kept = cat(options_.kept_dir, "/", kept_);
    if (::renameat(place.dir, place.name.c_str(), AT_FDCWD, kept.c_str()) != 0) throw errno_error("rename", place.path);
    options_.recipe->moved(cat("diff/", place.path), cat("kept/", kept_));
    ++kept_;
  } else if (S_ISDIR(info.st_mode) && options_.around_mounts) {
    sys::remove_tree_at(sys::FdRef::borrow(place.dir), place.name);
  } else if (S_ISDIR(info.st_mode)) {
    sys::remove_tree(cat(fd_path(place.dir), "/", place.name));
  } else if (::unlinkat(place.dir, place.name.c_str(), 0) != 0 && errno != ENOENT) {
    throw errno_error("unlink", place.path);
  }
  return is_whiteout(info);
}

/// Tries first and looks afterwards: in nearly every archive each name comes once.
template <class Make>
bool Unpacker::make_or_replace(std::string_view call, const Place& place, Make make) {
  if (make() >= 0) return false;
  if (errno != EEXIST) throw errno_error(call, place.path);
  const bool was_whiteout = replace(place);
  if (make() < 0) throw errno_error(call, place.path);
  return was_whiteout;
}

void Unpacker::add_file(const TarEntry& entry, TarReader& tar, const Place& place) {
  sys::UniqueFd file;
  make_or_replace("open", place, [&] {
    const int fd = ::openat(place.dir, place.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    file.reset(fd);
    return fd;
  });
  write_data(entry, tar, file, place.path);
  // The order matters: chown takes setuid and security.capability away.
  const auto [uid, gid] = owner_of(entry);
  if (options_.ownership && ::fchown(file.get(), uid, gid) != 0) throw errno_error("chown", place.path);
  set_xattrs(entry, [&](const char* name, const std::string& value) {
    return ::fsetxattr(file.get(), name, value.data(), value.size(), 0);
  });
  if (::fchmod(file.get(), entry.mode) != 0) throw errno_error("chmod", place.path);
  const timespec times[2] = {to_timespec(entry.mtime), to_timespec(entry.mtime)};
  if (::futimens(file.get(), times) != 0) throw errno_error("utimensat", place.path);
}

void Unpacker::write_data(const TarEntry& entry, TarReader& tar, sys::FdRef file, const std::string& path) {
  const std::vector<SparsePiece> whole{{0, entry.size}};
  const std::vector<SparsePiece>& pieces = entry.sparse ? entry.pieces : whole;
  if (entry.sparse && ::ftruncate(file.get(), static_cast<off_t>(entry.real_size)) != 0)
    throw errno_error("write", path);
  if (options_.hollow) {
    if (!entry.sparse && ::ftruncate(file.get(), static_cast<off_t>(entry.size)) != 0) throw errno_error("write", path);
    drop_data(tar);
    return;
  }
  auto piece = pieces.begin();
  std::uint64_t done = 0, unsynced = 0;
  for (std::string_view data = tar.data(); !data.empty(); data = tar.data()) {
    while (!data.empty()) {
      while (piece != pieces.end() && done == piece->size) ++piece, done = 0;
      if (piece == pieces.end()) throw invalid("archive/tar: invalid tar header");
      const std::string_view part = data.substr(0, piece->size - done);
      const std::uint64_t at = piece->offset + done;
      const auto written =
          sys::retry_on_eintr([&] { return ::pwrite(file.get(), part.data(), part.size(), static_cast<off_t>(at)); });
      if (written < 0) throw errno_error("write", path);
      done += static_cast<std::uint64_t>(written);
      unsynced += static_cast<std::uint64_t>(written);
      data.remove_prefix(static_cast<std::size_t>(written));
      if (options_.recipe != nullptr && unsynced >= kWritebackBytes) {
        // Let the disk start now: the sync at the end of the load then has little left to wait for.
        ::sync_file_range(file.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
        unsynced = 0;
      }
    }
  }
  bytes_ += entry.size;
  if (options_.recipe == nullptr) return;
  for (const SparsePiece& stored : pieces) {
    if (stored.size != 0) options_.recipe->file(cat("diff/", path), stored.offset, stored.size);
  }
}

void Unpacker::add_directory(const TarEntry& entry, const Place& place) {
  bool was_whiteout = false;
  if (::mkdirat(place.dir, place.name.c_str(), 0700) != 0) {
    if (errno != EEXIST) throw errno_error("mkdir", place.path);
    struct stat info{};
    if (::fstatat(place.dir, place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
      throw errno_error("stat", place.path);
    if (!S_ISDIR(info.st_mode)) {
      check_kind(place, true, false);
      was_whiteout = replace(place);
      if (::mkdirat(place.dir, place.name.c_str(), 0700) != 0) throw errno_error("mkdir", place.path);
    }
  }
  const int fd = ::openat(place.dir, place.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) throw errno_error("open", place.path);
  const sys::UniqueFd dir{fd};
  const auto [uid, gid] = owner_of(entry);
  if (options_.ownership && ::fchown(fd, uid, gid) != 0) throw errno_error("chown", place.path);
  set_xattrs(entry, [&](const char* name, const std::string& value) {
    return ::fsetxattr(fd, name, value.data(), value.size(), 0);
  });
  // Hidden below and made anew: nothing of the lower layers may shine through.
  if (was_whiteout) set_opaque(fd, ".", place.path);
  if (::fchmod(fd, entry.mode) != 0) throw errno_error("chmod", place.path);
  directory_times_.emplace_back(place.path, entry.mtime);
}

void Unpacker::add_hard_link(const TarEntry& entry, const Place& place) {
  const std::string target = clean_path(cat(options_.base, "/", clean_path(entry.link)));
  if (target.empty()) throw invalid(cat("invalid hard link ", quoted(entry.path), " -> ", quoted(entry.link)));
  const std::size_t slash = target.rfind('/');
  const std::string target_dir = slash == std::string::npos ? "." : target.substr(0, slash);
  const std::string target_name = target.substr(slash == std::string::npos ? 0 : slash + 1);
  const sys::UniqueFd dir = sys::open_in_root(root_, target_dir, O_PATH | O_DIRECTORY);
  struct stat from{}, to{};
  if (::fstatat(dir.get(), target_name.c_str(), &from, AT_SYMLINK_NOFOLLOW) != 0) {
    throw errno_error("link", cat(target, " ", place.path));
  }
  const bool exists = ::fstatat(place.dir, place.name.c_str(), &to, AT_SYMLINK_NOFOLLOW) == 0;
  if (exists && from.st_dev == to.st_dev && from.st_ino == to.st_ino) return;  // linked already, or to itself
  const auto make = [&] { return ::linkat(dir.get(), target_name.c_str(), place.dir, place.name.c_str(), 0); };
  make_or_replace("link", place, make);
}

void Unpacker::add_other(const TarEntry& entry, const Place& place) {
  make_or_replace(entry.type == EntryType::symlink ? "symlink" : "mknod", place, [&] {
    const char* name = place.name.c_str();
    switch (entry.type) {
      case EntryType::symlink: return ::symlinkat(entry.link.c_str(), place.dir, name);
      case EntryType::fifo: return ::mkfifoat(place.dir, name, 0600);
      default: break;
    }
    const mode_t kind = entry.type == EntryType::char_device ? S_IFCHR : S_IFBLK;
    return ::mknodat(place.dir, name, kind | 0600, makedev(entry.device_major, entry.device_minor));
  });
  const int fd = ::openat(place.dir, place.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) throw errno_error("open", place.path);
  const sys::UniqueFd made{fd};
  const auto [uid, gid] = owner_of(entry);
  if (options_.ownership && ::fchownat(fd, "", uid, gid, AT_EMPTY_PATH) != 0) {
    throw errno_error("chown", place.path);
  }
  const std::string by_parent = cat(fd_path(place.dir), "/", place.name);
  set_xattrs(entry, [&](const char* name, const std::string& value) {
    return ::lsetxattr(by_parent.c_str(), name, value.data(), value.size(), 0);
  });
  if (entry.type != EntryType::symlink && ::chmod(fd_path(fd).c_str(), entry.mode) != 0) {
    throw errno_error("chmod", place.path);
  }
  const timespec times[2] = {to_timespec(entry.mtime), to_timespec(entry.mtime)};
  if (::utimensat(fd, "", times, AT_EMPTY_PATH) != 0) throw errno_error("utimensat", place.path);
}

void Unpacker::finish() {
  for (const auto& [path, time] : directory_times_) {
    const auto dir = sys::open_in_root_if_exists(root_, path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (!dir) continue;  // replaced by something else later in the archive
    const timespec times[2] = {to_timespec(time), to_timespec(time)};
    if (::utimensat(dir->get(), "", times, AT_EMPTY_PATH) != 0) throw errno_error("utimensat", path);
  }
  directory_times_.clear();
}

}  // namespace berth::archive
