#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/sys/fd.h"
#include "oci/runtime_spec.h"
#include "runtime/cgroups/tree.h"

namespace berth::runtime::cgroups {

/// A container's group: one folder of the same name in every v1 hierarchy, or one in the v2 tree. All functions block
/// for as long as the kernel's own files do (microseconds; `remove` see there).
class Cgroup {
 public:
  /// `path` below each hierarchy's root: "/berth/<id>". Touches nothing yet.
  Cgroup(Tree tree, std::string path) : tree_(std::move(tree)), path_(std::move(path)) {}

  /// Makes the folders (and their parents, which stay for others). They may be there already.
  void create() const;
  /// Writes limits; also the `docker update` of a running container. Throws system with the file's name and the
  /// kernel's errno for a refused value; limits written before it stay.
  void set(const oci::Resources& resources) const;
  void attach(pid_t pid) const;
  /// The calling process, which must have one thread. Much quicker on v1: a thread that moves itself needs no
  /// system-wide lock, while for any other the kernel waits for an RCU grace period (10 to 20 ms on a busy machine).
  void attach_self() const;
  /// For CLONE_INTO_CGROUP; absent on v1.
  std::optional<sys::UniqueFd> open_v2() const;

  void freeze() const;  ///< returns when every process is stopped (up to 10 s, then throws unavailable)
  void thaw() const;
  bool frozen() const;

  std::vector<pid_t> pids() const;  ///< of this group and those below it; gone group: none
  void signal_all(int signal) const;

  /// Removes the group and those below it; waits up to `patience_ms` for processes that are still ending. Says whether
  /// it is gone.
  bool remove(int patience_ms = 2000) const;

  /// How often the kernel's OOM killer struck in this group.
  std::uint64_t oom_kills() const;

  const std::string& path() const { return path_; }
  const Tree& tree() const { return tree_; }
  /// "" when this machine doesn't have the controller. With v2 the same folder for all.
  std::string folder(std::string_view controller) const;

 private:
  void attach(std::string_view file, const std::string& number) const;

  Tree tree_;
  std::string path_;
};

/// Tells of OOM kills: watch `fd()` with epoll for `events()`, and call `acknowledge` when it fires.
class OomWatch {
 public:
  /// nullopt when the memory controller isn't there.
  static std::optional<OomWatch> start(const Cgroup& cgroup);
  const sys::UniqueFd& fd() const { return fd_; }
  std::uint32_t events() const;  ///< EPOLL*
  /// Whether something was killed since the last call.
  bool acknowledge(const Cgroup& cgroup);

 private:
  OomWatch(sys::UniqueFd fd, sys::UniqueFd control, bool v2)
      : fd_(std::move(fd)), control_(std::move(control)), v2_(v2) {}
  sys::UniqueFd fd_, control_;
  bool v2_;
  std::uint64_t seen_ = 0;
};

}  // namespace berth::runtime::cgroups
