#pragma once

#include "base/sys/fd.h"
#include "runtime/shim/protocol.h"

namespace berth::runtime::mounts {

/// Mounts the container's root so that only the returned descriptor knows of it (detached); where this kernel has no
/// `lowerdir+` (before 6.7) or no fsopen for it, in the calling process's own mount namespace instead, over
/// `upper_dir`: call it in the container's namespace, after its propagation was cut.
/// `in_user_namespace`: trusted.* attributes can't be used there, so overlay's own ones go to user.*.
/// Throws system; nothing is mounted then.
sys::UniqueFd open_root(const shim::RootMount& root, bool in_user_namespace);

/// Makes `root` the process's "/" and takes everything else away from its mount namespace (pivot_root(2), which a
/// later chroot can't escape from). `attached` says that the mount has a place already,
/// `host_is_peer` that the old mounts are shared with other namespaces.
void pivot_into(sys::FdRef root, bool attached, bool host_is_peer);

}  // namespace berth::runtime::mounts
