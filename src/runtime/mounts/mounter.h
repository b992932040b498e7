#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/sys/fd.h"
#include "oci/runtime_spec.h"
#include "runtime/cgroups/tree.h"

namespace berth::runtime::mounts {

struct Options;

/// What a mount may have to wait for, since the monitor does it meanwhile; each may be called several times.
struct Prerequisites {
  std::function<void()> network;  ///< sysfs shows the network namespace of whoever mounts it
  std::function<void()> cgroup;   ///< the process is in its cgroups, and in its cgroup namespace
};

/// Makes the mounts of a spec below an attached root while the host's tree is still "/". Every destination is reached
/// by openat2 inside the root and mounted on by descriptor, so that a symlink the image brought, or that another
/// container swaps in meanwhile, leads nowhere else (CVE-2021-30465).
class Mounter {
 public:
  Mounter(sys::FdRef root, const oci::Linux& settings, bool in_user_namespace, Prerequisites prerequisites);

  void mount_all(const std::vector<oci::Mount>& mounts);
  /// Device nodes (the standard six and the spec's) and the usual links in /dev; nothing when /dev is a bind mount.
  void fill_dev(const std::vector<oci::Mount>& mounts);

 private:
  void mount_one(const oci::Mount& mount);
  void bind(const oci::Mount& mount, const Options& options);
  void mount_new(const oci::Mount& mount, const Options& options);
  void mount_sysfs(const oci::Mount& mount, const Options& options);
  void mount_cgroup(const oci::Mount& mount, const Options& options);
  void mount_cgroup_v1(const oci::Mount& mount, const cgroups::Tree& tree);
  void make_device(const oci::Device& device);
  void check_ordinary_folder(const std::string& destination);
  sys::UniqueFd open_destination(const std::string& destination, bool folder);

  int root_;
  const oci::Linux& settings_;
  bool in_user_namespace_;
  Prerequisites prerequisites_;
};

/// Hides and write-protects what the spec names; missing paths are skipped. `root` as above. A file is covered by the
/// host's own /dev/null, opened and checked here: the image's could be anything (CVE-2025-31133).
void mask_paths(sys::FdRef root, const std::vector<std::string>& paths);
void protect_paths(sys::FdRef root, const std::vector<std::string>& paths);

/// Copies the content of a folder: files, folders, links with their modes and owners (`tmpcopyup`).
void copy_folder(sys::FdRef from, sys::FdRef to);

}  // namespace berth::runtime::mounts
