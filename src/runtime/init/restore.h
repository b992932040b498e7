#pragma once

#include "runtime/init/container.h"

/// The child's half of a start from a checkpoint, from clone3 to the execve of CRIU.
namespace berth::runtime::init {

/// Numbers under which CRIU has its descriptors. `rpc` is its socket to the monitor, the others are what its request
/// speaks of.
struct RestoreFds {
  static constexpr int kRpc = 3, kInput = 4, kOutput = 5, kError = 6, kNetwork = 7;
};

/// Where CRIU finds the container's root file system, in its own mount namespace.
std::string restore_root(const shim::LaunchRequest& request);

/// Runs in the child of namespaces::fork_into, which has a mount namespace of its own, and never returns: mounts the
/// root, enters the groups and executes `criu swrk`. The container's processes are then made by CRIU; they stay in this
/// process's groups and cgroup namespace.
[[noreturn]] void run_restore(const shim::LaunchRequest& request, const namespaces::Plan& plan,
                              const cgroups::Cgroup* group, sys::UniqueFd socket, sys::UniqueFd rpc,
                              StandardStreams streams);

}  // namespace berth::runtime::init
