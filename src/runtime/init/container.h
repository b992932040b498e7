#pragma once

#include "base/sys/fd.h"
#include "runtime/cgroups/cgroup.h"
#include "runtime/init/sync.h"
#include "runtime/namespaces/namespaces.h"
#include "runtime/shim/protocol.h"

/// The child's half of starting a container, from clone3 to execve.
namespace berth::runtime::init {

/// Ends of the child's standard streams. With a terminal none of them: it makes its own.
struct StandardStreams {
  sys::UniqueFd input, output, error;
  bool one_output = false;  ///< standard error goes where the output goes
};

/// Runs in the child of namespaces::fork_into and never returns: the program of the spec, or _exit after the failure
/// went up `socket`. Works on inherited memory, so the monitor decodes a request once and then forgets it.
///   group   to enter as soon as the monitor has made it; null when it is entered already, or there is none
[[noreturn]] void run_container(const shim::LaunchRequest& request, const namespaces::Plan& plan,
                                const cgroups::Cgroup* group, sys::UniqueFd socket, StandardStreams streams);

/// One more process in a running container (exec): the caller has already been forked into its pid namespace.
///   init      pidfd of the container's first process
///   flags     CLONE_NEW* of the namespaces to share with it, CLONE_NEWPID excepted
///   group     as above
[[noreturn]] void run_exec(const shim::Exec& exec, sys::FdRef init, std::uint64_t flags, const cgroups::Cgroup* group,
                           sys::UniqueFd socket, StandardStreams streams);

/// Makes a terminal in the container's devpts and puts its slave on 0, 1 and 2; sends the master to the monitor.
/// `console`: also mounts the slave on /dev/console.
void open_terminal(const oci::Process& process, const ChildSync& sync, bool console);

}  // namespace berth::runtime::init
