#pragma once

#include "base/sys/fd.h"

namespace berth::runtime::shim {

/// The whole life of `berth-shim ID files` (see FilesRequest): returns its exit code when `control` was closed.
int hold_files(sys::UniqueFd control, sys::UniqueFd request);

}  // namespace berth::runtime::shim
