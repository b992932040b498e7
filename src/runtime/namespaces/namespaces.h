#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/sys/fd.h"
#include "base/sys/process.h"
#include "oci/runtime_spec.h"

namespace berth::runtime::namespaces {

/// What a spec's list of namespaces comes to.
struct Plan {
  std::uint64_t clone_flags = 0;  ///< CLONE_NEW* of those to be made by clone3
  bool new_cgroup = false;        ///< unshared by the child, once it is in its cgroups: they are that namespace's root
  bool has_network = false;       ///< made or joined
  struct Join {
    std::uint64_t flag;  ///< CLONE_NEW*
    std::string path;
  };
  std::vector<Join> joins;
  /// Whether the container has its own (or a joined) namespace of this kind, or the host's.
  bool separate(std::uint64_t flag) const;
  bool makes(std::uint64_t flag) const { return (clone_flags & flag) != 0; }
};

/// `network_comes`: the network namespace is handed over later, so none is made. Throws invalid for an unknown type.
Plan plan(const std::vector<oci::Namespace>& namespaces, bool network_comes);

/// setns(2) by descriptor; `what` for the error's text.
void enter(sys::FdRef space, std::uint64_t flags, const std::string& what);

/// clone3(2) as a fork into new namespaces. In the child the pid is 0.
/// `group` < 0: none, else a v2 cgroup's folder for CLONE_INTO_CGROUP.
struct Forked {
  pid_t pid = -1;
  sys::UniqueFd pidfd;
};
Forked fork_into(std::uint64_t clone_flags, int group);

/// Writes uid_map, gid_map (and setgroups where the kernel asks for it) of a process in a new user namespace.
void write_id_maps(pid_t pid, const std::vector<oci::IdMapping>& uids, const std::vector<oci::IdMapping>& gids);

}  // namespace berth::runtime::namespaces
