#pragma once

#include "base/sys/fd.h"

namespace berth::logsink {

/// Writes `from` to `to` as gzip, and gives it the same time of modification: by that, readers know it again.
void compress(sys::FdRef from, sys::FdRef to);

}  // namespace berth::logsink
