#pragma once

#include <exception>

#include "base/async/task.h"

namespace berth::async {

/// How `work` ends, null when that is well. For branches of `a() || b()`, which goes on waiting for the other one when
/// one throws.
Task<std::exception_ptr> outcome(Task<void> work);

}  // namespace berth::async
