#pragma once

#include <string>

#include "runtime/shim/protocol.h"

namespace berth::engine {

/// How the run in `run_dir` ended, when its shim is gone: its exit record, or, if there is none, 137 after whatever is
/// left of it (processes, cgroups) has been ended. Blocks.
runtime::shim::ExitRecord end_run(const std::string& run_dir, const std::string& cgroup_path);

}  // namespace berth::engine
