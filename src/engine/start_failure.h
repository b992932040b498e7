#pragma once

#include "base/core/error.h"
#include "runtime/shim/protocol.h"

namespace berth::engine {

/// What a client is told of a `failed` event, in the words by which the CLI finds its own exit code: 127 for a program
/// that isn't there, 126 for one that can't be run.
Error start_failure(const runtime::shim::Event& failed);
/// The same for exec.
Error exec_failure(const runtime::shim::Event& failed);
/// State.ExitCode of a container, or an exec's, that did not come to run: 127, 126 or 128.
int exit_code_of(const runtime::shim::Event& failed);

}  // namespace berth::engine
