#include "graph/changes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <optional>
#include <string_view>

#include "archive/tree_writer.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::graph {

namespace {

std::optional<struct stat> stat_at(int dir, const std::string& name) {
  struct stat info{};
  if (::fstatat(dir, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) return info;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw errno_error("stat", name);
}

std::string capability_of(int dir, const std::string& name) {
  char value[64];
  const std::string path = cat("/proc/self/fd/", dir, "/", name);
  const ssize_t size = ::lgetxattr(path.c_str(), "security.capability", value, sizeof value);
  return {value, size < 0 ? 0 : static_cast<std::size_t>(size)};
}

/// Archives may have cut times to seconds: one without a fraction fits any within its second.
bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && (a.tv_nsec == b.tv_nsec || a.tv_nsec == 0 || b.tv_nsec == 0);
}

bool differs(const struct stat& a, const struct stat& b) {
  if (a.st_mode != b.st_mode || a.st_uid != b.st_uid || a.st_gid != b.st_gid || a.st_rdev != b.st_rdev) return true;
  return !S_ISDIR(a.st_mode) && (a.st_size != b.st_size || !same_time(a.st_mtim, b.st_mtim));
}

/// An entry of the container's tree, and the folder it is in.
struct Place {
  int dir;
  const std::string& name;
  const std::string& path;
  const struct stat* info;  ///< null for what is gone
};

/// Goes through both trees and reports each change, folders before what is in them.
class Comparison {
 public:
  using Report = std::function<void(ChangeKind, const Place&)>;

  Comparison(const std::set<std::string>& made_by_runtime, bool whiteouts, Report report)
      : made_by_runtime_(made_by_runtime), whiteouts_(whiteouts), report_(std::move(report)) {}

  /// `before`: the same folder in each lower tree that has it, topmost first, as far as it is visible. `whole`: what is
  /// not in `now` is gone; otherwise it shines through.
  void folder(int now, const std::vector<int>& before, bool whole, const std::string& path) {
    std::vector<std::string> names = archive::sorted_names(now);
    if (whole) add_old_names(before, names);
    for (const std::string& name : names) {
      const std::string inner = cat(path, "/", name);
      if (inner.size() < PATH_MAX) entry(now, before, whole, name, inner);
    }
  }

 private:
  struct Old {
    struct stat info;
    std::size_t layer;
  };

  /// A folder on the way to where we are, not reported yet.
  struct Pending {
    ChangeKind kind;
    Place place;
    bool reported;
  };

  void add_old_names(const std::vector<int>& before, std::vector<std::string>& names) const {
    for (const int dir : before) {
      for (std::string& name : archive::sorted_names(dir)) names.push_back(std::move(name));
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
  }

  static std::optional<Old> find_old(const std::vector<int>& before, const std::string& name) {
    for (std::size_t layer = 0; layer < before.size(); ++layer) {
      const auto info = stat_at(before[layer], name);
      if (!info) continue;
      if (archive::is_whiteout(*info)) return std::nullopt;
      return Old{*info, layer};
    }
    return std::nullopt;
  }

  void entry(int now, const std::vector<int>& before, bool whole, const std::string& name, const std::string& path) {
    const auto info = stat_at(now, name);
    const auto old = find_old(before, name);
    const bool gone = !info || (whiteouts_ && archive::is_whiteout(*info));
    const Place place{now, name, path, gone ? nullptr : &*info};
    if (gone) {
      // Without its whiteout a name that is in neither has vanished just now.
      if (old && (info || whole)) report(ChangeKind::deleted, place);
      return;
    }
    const bool by_runtime = !old && made_by_runtime_.contains(path);
    if (by_runtime && is_stub(place)) return;
    // A folder that the start has made counts as soon as something is in it.
    const bool is_stub_folder = by_runtime && S_ISDIR(info->st_mode);
    const bool changed = old ? is_changed(before[old->layer], old->info, place) : !is_stub_folder;
    const ChangeKind kind = old ? ChangeKind::modified : ChangeKind::added;
    if (changed) report(kind, place);
    if (S_ISDIR(info->st_mode)) enter(before, old, whole, kind, changed, place);
  }

  static bool is_changed(int old_dir, const struct stat& old, const Place& place) {
    if (differs(old, *place.info)) return true;
    return S_ISREG(old.st_mode) && capability_of(old_dir, place.name) != capability_of(place.dir, place.name);
  }

  static bool is_stub(const Place& place) {
    if (S_ISREG(place.info->st_mode)) return place.info->st_size == 0;
    return S_ISLNK(place.info->st_mode);  // /etc/mtab
  }

  void enter(const std::vector<int>& before, const std::optional<Old>& old, bool whole, ChangeKind kind, bool reported,
             const Place& place) {
    const int fd = ::openat(place.dir, place.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) return;
    if (fd < 0) throw errno_error("open", place.path);
    const sys::UniqueFd now{fd};
    std::vector<sys::UniqueFd> owners;
    std::vector<int> children;
    for (std::size_t layer = old ? old->layer : before.size(); layer < before.size(); ++layer) {
      const auto info = stat_at(before[layer], place.name);
      if (!info) continue;
      if (!S_ISDIR(info->st_mode)) break;
      owners.push_back(
          sys::open_at(sys::FdRef::borrow(before[layer]), place.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      children.push_back(owners.back().get());
      if (archive::is_opaque(children.back())) break;
    }
    pending_.push_back({kind, place, reported});
    folder(fd, children, whole || (whiteouts_ && archive::is_opaque(fd)), place.path);
    pending_.pop_back();
  }

  void report(ChangeKind kind, const Place& place) {
    for (Pending& parent : pending_) {
      if (!std::exchange(parent.reported, true)) report_(parent.kind, parent.place);
    }
    report_(kind, place);
  }

  const std::set<std::string>& made_by_runtime_;
  const bool whiteouts_;
  Report report_;
  std::vector<Pending> pending_;
};

sys::UniqueFd open_tree(const std::string& path) { return sys::open_file(path, O_RDONLY | O_DIRECTORY); }

void compare(const ContainerTrees& trees, const std::set<std::string>& made_by_runtime, Comparison::Report report) {
  const sys::UniqueFd now = open_tree(trees.upper);
  std::vector<sys::UniqueFd> lower;
  std::vector<int> before;
  for (const std::string& path : trees.lower) {
    lower.push_back(open_tree(path));
    before.push_back(lower.back().get());
    if (archive::is_opaque(before.back())) break;
  }
  const bool whole = trees.upper_is_whole || archive::is_opaque(now.get());
  Comparison{made_by_runtime, !trees.upper_is_whole, std::move(report)}.folder(now.get(), before, whole, "");
}

}  // namespace

std::uint64_t bytes_of_start(const ContainerTrees& trees) {
  constexpr std::string_view kTarget = "/proc/mounts";
  const auto links_to_mounts = [&](const std::string& tree) {
    const std::string etc = cat(tree, "/etc");
    struct stat info{};
    if (::lstat(etc.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return false;
    std::array<char, 64> target{};
    const ssize_t length = ::readlink(cat(etc, "/mtab").c_str(), target.data(), target.size());
    return length > 0 && std::string_view{target.data(), static_cast<std::size_t>(length)} == kTarget;
  };
  return links_to_mounts(trees.upper) && std::ranges::none_of(trees.lower, links_to_mounts) ? kTarget.size() : 0;
}

std::vector<Change> find_changes(const ContainerTrees& trees, const std::set<std::string>& made_by_runtime) {
  std::vector<Change> changes;
  compare(trees, made_by_runtime, [&](ChangeKind kind, const Place& place) { changes.push_back({place.path, kind}); });
  return changes;
}

void write_changes(const ContainerTrees& trees, const std::set<std::string>& made_by_runtime, archive::TarWriter& tar) {
  archive::EntryWriter entries{tar};
  compare(trees, made_by_runtime, [&](ChangeKind kind, const Place& place) {
    if (kind == ChangeKind::deleted) {
      const std::size_t cut = place.path.size() - place.name.size();
      tar.add_file(cat(place.path.substr(1, cut - 1), ".wh.", place.name), "", 0);
    } else {
      entries.add(place.dir, place.name, place.path.substr(1), *place.info);
    }
  });
}

void write_container_tree(const ContainerTrees& trees, archive::TarWriter& tar) {
  std::vector<sys::UniqueFd> layers;
  layers.push_back(open_tree(trees.upper));
  if (!trees.upper_is_whole) {
    for (const std::string& path : trees.lower) layers.push_back(open_tree(path));
  }
  archive::write_layers(layers, tar);
}

}  // namespace berth::graph
