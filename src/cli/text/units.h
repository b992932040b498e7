#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/time.h"

/// Sizes and times as people write them, in the forms of Docker's go-units and Go's time package.
namespace berth::cli {

/// "1.98MB": powers of 1000, `digits` significant digits (Docker shows images with 3, df with 4).
std::string human_size(double bytes, int digits = 4);
/// "23.54GiB": powers of 1024.
std::string binary_size(double bytes);
/// "About a minute", "3 hours", "2 weeks".
std::string human_duration(std::chrono::nanoseconds time);

/// "64m", "1.5g", "512", "2KiB": bytes, by powers of 1024. Throws invalid with go-units' text.
std::int64_t parse_size(std::string_view text);
/// Go's "1h15m30.918s": nanoseconds. Throws invalid with Go's text.
std::int64_t parse_duration(std::string_view text);
/// "1.5" CPUs in units of 10^-9; throws invalid.
std::int64_t parse_nano_cpus(std::string_view text);

/// Local time as Go's Time.String() shows it: "2026-11-23 22:12:16 +0000 UTC"; with nanoseconds when there are any.
std::string go_time(Time time, bool local);
/// RFC 3339 of whole seconds with the local zone's offset.
std::string local_rfc3339(Time time);

}  // namespace berth::cli
