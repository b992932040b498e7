#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/sys/fd.h"

/// The kernel's descriptor-based mount calls (open_tree, fsopen, move_mount, mount_setattr; Linux 5.12 and later).
/// A mount that is only a descriptor has no path that anybody could exchange underway.
namespace berth::runtime::mounts {

/// A detached copy of the mount at `path` (open_tree with OPEN_TREE_CLONE); taken down when the descriptor closes
/// before it was attached. `recursive` takes the mounts below along.
sys::UniqueFd clone_tree(const std::string& path, bool recursive);
/// The same for what an O_PATH descriptor stands for.
sys::UniqueFd clone_tree(sys::FdRef place, bool recursive);

/// The same for `path` in another process's mount namespace (/proc/PID/ns/mnt), which open_tree can't reach from
/// outside: enters it and comes back. The caller has one thread; its working folder is "/" afterwards.
sys::UniqueFd clone_tree_of(const std::string& mount_namespace, const std::string& path, bool recursive);

/// Attaches a detached mount on top of `target` (an O_PATH descriptor).
void attach(sys::FdRef mount, sys::FdRef target);
/// Attaches it on top of the namespace's "/"; paths still lead to what lies below.
void attach_over_root(sys::FdRef mount);

/// `set` and `clear` are MOUNT_ATTR_*, `propagation` MS_SHARED…, or 0 to leave it.
void change_attributes(sys::FdRef mount, std::uint64_t set, std::uint64_t clear, unsigned long propagation,
                       bool recursive);

/// Cuts the mount that `path` lies in off from its peers in other namespaces.
void make_mount_private(const std::string& path);

/// One configuration of a new file system: fsopen, settings, then `finish` mounts it detached.
class NewFilesystem {
 public:
  explicit NewFilesystem(const std::string& type);
  void set(const std::string& key, const std::string& value);
  /// false when this kernel doesn't know the key (or takes no such value).
  bool try_set(const std::string& key, const std::string& value);
  void set_flag(const std::string& key);
  /// `attributes` are MOUNT_ATTR_*. Throws with the kernel's own explanation where it gives one.
  sys::UniqueFd finish(std::uint64_t attributes);

 private:
  std::string explanation() const;
  std::string type_;
  sys::UniqueFd context_;
};

/// mount(2) of a new file system on an O_PATH descriptor, through the host's /proc: to be called before pivot_root.
void mount_on(sys::FdRef target, const std::string& type, const std::string& source, unsigned long flags,
              const std::string& data);
/// "/proc/self/fd/N"; only while the host's own /proc is at /proc.
std::string fd_path(sys::FdRef fd);

}  // namespace berth::runtime::mounts
