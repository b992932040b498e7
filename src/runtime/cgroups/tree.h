#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace berth::runtime::cgroups {

/// One mounted cgroup hierarchy.
struct Hierarchy {
  std::string path;                      ///< where it is mounted: "/sys/fs/cgroup/cpu,cpuacct"
  std::string name;                      ///< the folder's name: "cpu,cpuacct", "systemd"; "" for a lone v2 tree
  std::vector<std::string> controllers;  ///< v1: "cpu", "cpuacct"; none for named ones and v2
  bool v2 = false;
};

/// What this machine has: one v2 tree (unified), v1 hierarchies, or v1 ones and a v2 tree beside them (hybrid).
struct Tree {
  std::vector<Hierarchy> hierarchies;
  bool unified() const { return hierarchies.size() == 1 && hierarchies.front().v2; }
  const Hierarchy* find(std::string_view controller) const;  ///< the v1 hierarchy that has it, or null
};

/// Looks at `mount_point` itself instead of reading mountinfo, whose length grows with the host's mounts.
Tree find_tree(const std::string& mount_point = "/sys/fs/cgroup");

}  // namespace berth::runtime::cgroups
