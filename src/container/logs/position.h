#pragma once

#include <cstdint>

#include "logfile/format.h"
#include "logfile/segments.h"

namespace berth::container::logs {

/// Goes to the last `wanted` entries of a segment, or to its start if it holds fewer.
struct TailStart {
  std::int64_t found = 0;  ///< entries from there on; `wanted` at most
  std::int64_t skip = 0;   ///< entries to leave out first, of a compressed segment, which can't be entered elsewhere
};
TailStart seek_tail(logfile::Segment& segment, logfile::Format format, std::int64_t wanted);

}  // namespace berth::container::logs
