#include "runtime/mounts/mounter.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "runtime/cgroups/tree.h"
#include "runtime/mounts/mount_api.h"
#include "runtime/mounts/options.h"

namespace berth::runtime::mounts {
namespace {

constexpr unsigned long kPropagationMask = 0x1e0000;  // MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED

bool is_folder(sys::FdRef place) {
  struct stat info{};
  if (::fstat(place.get(), &info) != 0) throw errno_error("fstat", "");
  return S_ISDIR(info.st_mode);
}

std::uint64_t attributes_of(unsigned long flags) {
  std::uint64_t attributes = 0;
  if (flags & MS_RDONLY) attributes |= MOUNT_ATTR_RDONLY;
  if (flags & MS_NOSUID) attributes |= MOUNT_ATTR_NOSUID;
  if (flags & MS_NODEV) attributes |= MOUNT_ATTR_NODEV;
  if (flags & MS_NOEXEC) attributes |= MOUNT_ATTR_NOEXEC;
  return attributes;
}

}  // namespace

Mounter::Mounter(sys::FdRef root, const oci::Linux& settings, bool in_user_namespace, Prerequisites prerequisites)
    : root_(root.get()),
      settings_(settings),
      in_user_namespace_(in_user_namespace),
      prerequisites_(std::move(prerequisites)) {}

void Mounter::mount_all(const std::vector<oci::Mount>& mounts) {
  for (const oci::Mount& mount : mounts) {
    try {
      mount_one(mount);
    } catch (Error& error) {
      error.during(cat("error mounting ", quoted(mount.source.empty() ? mount.type : mount.source), " to rootfs at ",
                       quoted(mount.destination)));
      throw;
    }
  }
}

void Mounter::mount_one(const oci::Mount& mount) {
  const Options options = parse_options(mount.options);
  if (mount.type == "proc" || mount.type == "sysfs") check_ordinary_folder(mount.destination);
  if (options.bind || mount.type == "bind") {
    bind(mount, options);
  } else if (mount.type == "cgroup" || mount.type == "cgroup2") {
    mount_cgroup(mount, options);
  } else if (mount.type == "sysfs") {
    mount_sysfs(mount, options);
  } else {
    mount_new(mount, options);
  }
}

/// Masked and read-only paths are looked up by name afterwards. A symlink of the image would let a volume that another
/// container has, too, swap what lies behind those names in between (CVE-2019-19921).
void Mounter::check_ordinary_folder(const std::string& destination) {
  const std::size_t slash = destination.rfind('/');
  const auto parent = sys::open_in_root_if_exists(sys::FdRef::borrow(root_), destination.substr(0, slash + 1), O_PATH);
  struct stat info{};
  if (!parent || ::fstatat(parent->get(), destination.c_str() + slash + 1, &info, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (!S_ISDIR(info.st_mode))
    throw invalid(cat("filesystem ", quoted(destination), " must be mounted on ordinary directory"));
}

sys::UniqueFd Mounter::open_destination(const std::string& destination, bool folder) {
  const sys::FdRef root = sys::FdRef::borrow(root_);
  if (auto place = sys::open_in_root_if_exists(root, destination, O_PATH)) return std::move(*place);
  if (folder) return sys::make_dirs_in_root(root, destination, 0755);
  const std::size_t slash = destination.rfind('/');
  if (slash != std::string::npos && slash > 0) {
    sys::make_dirs_in_root(root, destination.substr(0, slash), 0755);
  }
  sys::open_in_root(root, destination, O_CREAT | O_RDONLY | O_NONBLOCK, 0644);
  return sys::open_in_root(root, destination, O_PATH);
}

namespace {

/// /proc/PID/root/PATH is PATH in that process's mount namespace (--ipc container:ID shares its /dev/shm).
sys::UniqueFd clone_source(const std::string& source, bool recursive) {
  constexpr std::string_view kProc = "/proc/";
  const std::size_t root = source.find("/root/", kProc.size());
  if (!source.starts_with(kProc) || root == std::string::npos) return clone_tree(source, recursive);
  if (!parse_number<pid_t>(source.substr(kProc.size(), root - kProc.size()))) return clone_tree(source, recursive);
  return clone_tree_of(source.substr(0, root) + "/ns/mnt", source.substr(root + 5), recursive);
}

}  // namespace

void Mounter::bind(const oci::Mount& mount, const Options& options) {
  const sys::UniqueFd tree = clone_source(mount.source, options.recursive_bind);
  const sys::UniqueFd target = open_destination(mount.destination, is_folder(tree));
  if (options.set != 0 || options.clear != 0) change_attributes(tree, options.set, options.clear, 0, false);
  if (options.recursive_set != 0 || options.recursive_clear != 0) {
    change_attributes(tree, options.recursive_set, options.recursive_clear, 0, true);
  }
  attach(tree, target);
  if (options.propagation != 0) {
    change_attributes(tree, 0, 0, options.propagation, options.recursive_propagation);
  }
}

void Mounter::mount_new(const oci::Mount& mount, const Options& options) {
  const sys::UniqueFd target = open_destination(mount.destination, true);
  const std::string& source = mount.source.empty() ? mount.type : mount.source;
  const unsigned long later = options.tmpcopyup ? options.flags & MS_RDONLY : 0;
  mount_on(target, mount.type, source, options.flags & ~later, options.data);
  if (!options.tmpcopyup && options.propagation == 0) return;

  // The descriptor still means the folder below the new mount: its content is what the image has there.
  const sys::UniqueFd mounted = sys::open_in_root(sys::FdRef::borrow(root_), mount.destination, O_PATH);
  if (options.tmpcopyup) {
    copy_folder(target, mounted);
    if (later != 0) change_attributes(mounted, MOUNT_ATTR_RDONLY, 0, 0, false);
  }
  if (options.propagation != 0) {
    change_attributes(mounted, 0, 0, options.propagation & kPropagationMask, options.recursive_propagation);
  }
}

void Mounter::mount_sysfs(const oci::Mount& mount, const Options& options) {
  prerequisites_.network();
  try {
    mount_new(mount, options);
  } catch (const Error& error) {
    // The kernel lets a user namespace mount sysfs only together with a network namespace of its own.
    if (error.error_number() != EPERM || !in_user_namespace_) throw;
    const sys::UniqueFd tree = clone_tree("/sys", true);
    change_attributes(tree, attributes_of(options.flags), 0, 0, true);
    const sys::UniqueFd target = open_destination(mount.destination, true);
    attach(tree, target);
  }
}

void Mounter::mount_cgroup(const oci::Mount& mount, const Options& options) {
  prerequisites_.cgroup();
  const cgroups::Tree tree = cgroups::find_tree();
  if (tree.hierarchies.empty()) return;  // a machine without any: Docker leaves the folder empty, too
  if (tree.unified()) {
    const sys::UniqueFd bound = clone_tree(cat(tree.hierarchies.front().path, settings_.cgroups_path), true);
    change_attributes(bound, attributes_of(options.flags), 0, 0, true);
    const sys::UniqueFd target = open_destination(mount.destination, true);
    attach(bound, target);
    return;
  }
  mount_cgroup_v1(mount, tree);
  const sys::UniqueFd mounted = sys::open_in_root(sys::FdRef::borrow(root_), mount.destination, O_PATH);
  change_attributes(mounted, attributes_of(options.flags), 0, 0, true);
}

/// As systemd lays the hierarchies out, but of each only the container's own part.
void Mounter::mount_cgroup_v1(const oci::Mount& mount, const cgroups::Tree& tree) {
  const sys::UniqueFd target = open_destination(mount.destination, true);
  mount_on(target, "tmpfs", "cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,nr_inodes=64,size=64k");
  const sys::UniqueFd folder = sys::open_in_root(sys::FdRef::borrow(root_), mount.destination, O_PATH);
  for (const cgroups::Hierarchy& hierarchy : tree.hierarchies) {
    if (hierarchy.v2) continue;
    const std::string& name = hierarchy.name;
    const sys::UniqueFd part = clone_tree(cat(hierarchy.path, settings_.cgroups_path), true);
    if (::mkdirat(folder.get(), name.c_str(), 0755) != 0) throw errno_error("mkdirat", name);
    const sys::UniqueFd place = sys::open_at(folder, name, O_PATH | O_NOFOLLOW);
    attach(part, place);
    for (const std::string& controller : hierarchy.controllers) {
      if (controller == name || hierarchy.controllers.size() < 2) continue;
      if (::symlinkat(name.c_str(), folder.get(), controller.c_str()) != 0) throw errno_error("symlinkat", controller);
    }
  }
}

void Mounter::fill_dev(const std::vector<oci::Mount>& mounts) {
  for (const oci::Mount& mount : mounts) {
    if (mount.destination == "/dev" && (mount.type == "bind" || parse_options(mount.options).bind)) return;
  }
  constexpr std::pair<std::string_view, std::pair<int, int>> kDevices[] = {
      {"/dev/null", {1, 3}},   {"/dev/zero", {1, 5}},    {"/dev/full", {1, 7}},
      {"/dev/random", {1, 8}}, {"/dev/urandom", {1, 9}}, {"/dev/tty", {5, 0}}};
  for (const auto& [path, number] : kDevices) {
    oci::Device device{.type = "c", .path = std::string{path}, .major = number.first, .minor = number.second};
    device.file_mode = 0666;
    make_device(device);
  }
  for (const oci::Device& device : settings_.devices) make_device(device);

  const sys::UniqueFd dev = sys::make_dirs_in_root(sys::FdRef::borrow(root_), "/dev", 0755);
  constexpr std::pair<const char*, const char*> kLinks[] = {
      {"/proc/self/fd", "fd"},       {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
      {"/proc/self/fd/2", "stderr"}, {"/proc/kcore", "core"},      {"pts/ptmx", "ptmx"}};
  for (const auto& [target, name] : kLinks) {
    if (::symlinkat(target, dev.get(), name) != 0 && errno != EEXIST) throw errno_error("symlinkat /dev", name);
  }
}

void Mounter::make_device(const oci::Device& device) {
  const std::size_t slash = device.path.rfind('/');
  if (slash == std::string::npos) throw invalid(cat("device path ", quoted(device.path), " is not absolute"));
  const std::string name = device.path.substr(slash + 1);
  const sys::UniqueFd folder =
      sys::make_dirs_in_root(sys::FdRef::borrow(root_), slash == 0 ? "/" : device.path.substr(0, slash), 0755);
  const mode_t type = device.type == "b" ? S_IFBLK : device.type == "p" ? S_IFIFO : S_IFCHR;
  const dev_t number = makedev(static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor));
  const mode_t mode = device.file_mode.value_or(0666) & 07777;
  if (in_user_namespace_ && type != S_IFIFO) {  // no mknod there: the host's node is bound
    sys::open_at(folder, name, O_CREAT | O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0666);
    const sys::UniqueFd place = sys::open_at(folder, name, O_PATH | O_NOFOLLOW);
    const sys::UniqueFd node = clone_tree(device.path, false);
    attach(node, place);
    return;
  }
  if (::mknodat(folder.get(), name.c_str(), type | mode, number) != 0) {
    if (errno == EEXIST) return;
    throw errno_error("mknod", device.path);
  }
  if (device.uid.value_or(0) == 0 && device.gid.value_or(0) == 0) return;
  if (::fchownat(folder.get(), name.c_str(), device.uid.value_or(0), device.gid.value_or(0), AT_SYMLINK_NOFOLLOW) !=
      0) {
    throw errno_error("chown", device.path);
  }
}

}  // namespace berth::runtime::mounts
