#include "runtime/cgroups/tree.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <algorithm>

#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::runtime::cgroups {
namespace {

long file_system_type(const std::string& path) {
  struct statfs info{};
  return ::statfs(path.c_str(), &info) == 0 ? static_cast<long>(info.f_type) : 0;
}

/// The folder's name tells the controllers of a v1 hierarchy; this is how systemd and every init script mount them.
std::vector<std::string> controllers_of(const std::string& name) {
  if (name == "systemd" || name == "elogind" || name == "openrc") return {};
  return split(name, ',');
}

}  // namespace

const Hierarchy* Tree::find(std::string_view controller) const {
  for (const Hierarchy& hierarchy : hierarchies) {
    if (std::ranges::find(hierarchy.controllers, controller) != hierarchy.controllers.end()) return &hierarchy;
  }
  return nullptr;
}

Tree find_tree(const std::string& mount_point) {
  Tree tree;
  if (file_system_type(mount_point) == CGROUP2_SUPER_MAGIC) {
    tree.hierarchies.push_back({.path = mount_point, .v2 = true});
    return tree;
  }
  for (const std::string& name : sys::list_dir(mount_point)) {
    const std::string path = cat(mount_point, '/', name);
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) continue;  // cpu -> cpu,cpuacct is a symlink
    const long type = file_system_type(path);
    if (type == CGROUP_SUPER_MAGIC) tree.hierarchies.push_back({path, name, controllers_of(name), false});
    if (type == CGROUP2_SUPER_MAGIC) tree.hierarchies.push_back({path, name, {}, true});
  }
  return tree;
}

}  // namespace berth::runtime::cgroups
