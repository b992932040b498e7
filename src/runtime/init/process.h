#pragma once

#include <string>

#include "oci/runtime_spec.h"
#include "runtime/init/sync.h"

/// The last steps before the user's program, the same for a container's first process and for an exec: everything
/// that is the process's own rather than the container's.
namespace berth::runtime::init {

/// Where the child stands: what an exception means is told by the step that was under way.
struct Progress {
  shim::Stage stage = shim::Stage::setup;
};

/// Turns the calling process, which is in its namespaces and under its root, into the program of `process`.
///   seccomp   struct sock_filter array as bytes, "" for none
///   sync      tells the monitor of the execve; the process dies with the monitor from here on
/// Never returns; throws Error with `progress.stage` saying where. Standard descriptors are in place already.
[[noreturn]] void become(const oci::Process& process, const std::string& seccomp, const ChildSync& sync,
                         Progress& progress);

/// Makes what is missing of a container's working folder (an exec's has to be there), in the root of the caller. Docker
/// makes it when it creates the container; by then ours isn't mounted. Throws invalid when a file is in the way.
void make_working_dir(const std::string& cwd);

/// Default dispositions and an empty signal mask, as a program expects them.
void reset_signals();

/// Path of the program that `name` means, as Go's exec.LookPath finds it: with a slash as it is, otherwise in PATH of
/// `env`. Throws with stage exec_not_found or exec_denied and the text `exec: "x": …`.
std::string find_program(const std::string& name, const std::vector<std::string>& env, Progress& progress);

}  // namespace berth::runtime::init
