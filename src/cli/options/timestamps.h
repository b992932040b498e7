#pragma once

#include <string>

#include "base/core/time.h"

namespace berth::cli {

/// What --since and --until take (a duration back from `now`, RFC 3339 with or without zone and parts, seconds since
/// the epoch) as the API wants it: "SECONDS.NANOSECONDS". Throws invalid.
std::string to_timestamp(const std::string& text, Time now);

}  // namespace berth::cli
