#pragma once

#include "base/sys/fd.h"
#include "logsink/config.h"

namespace berth::logsink {

/// A socket connected to where the log goes, blocking, with timeouts for both directions. Errors are worded as Go's
/// net.Dial words them: "dial tcp 127.0.0.1:24224: connect: connection refused".
sys::UniqueFd dial(const Config& config);

}  // namespace berth::logsink
