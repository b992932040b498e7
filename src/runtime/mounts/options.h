#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace berth::runtime::mounts {

/// What a list of mount(8) options asks of the kernel.
/// Spec: opencontainers/runtime-spec config.md, "Linux mount options".
struct Options {
  unsigned long flags = 0;                               ///< MS_* for mount(2) of a new file system
  std::uint64_t set = 0, clear = 0;                      ///< MOUNT_ATTR_* for a bind mount
  std::uint64_t recursive_set = 0, recursive_clear = 0;  ///< rro, rnosuid, …: also for the mounts below
  unsigned long propagation = 0;                         ///< MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE or 0
  bool recursive_propagation = false;
  bool bind = false, recursive_bind = false;
  bool tmpcopyup = false;
  std::string data;  ///< what is left, for the file system itself: "mode=755,size=64m"
};

Options parse_options(const std::vector<std::string>& options);

}  // namespace berth::runtime::mounts
