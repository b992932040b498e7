#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace berth {

/// A moment in UTC with nanoseconds. The default value is Go's zero time, which Docker shows for "never".
using Time = std::chrono::sys_time<std::chrono::nanoseconds>;

Time now();

/// RFC 3339 with up to nine decimals and Z, as Go's RFC3339Nano prints it (zeros at the end dropped).
/// `kNever` prints as "0001-01-01T00:00:00Z".
std::string format_time(Time time);
/// The same, always with nine decimals (log entries, `--timestamps`).
std::string format_time_fixed(Time time);
/// Takes RFC 3339 with any zone offset; "0001-01-01T00:00:00Z" gives kNever. A moment that doesn't fit into Time is the
/// nearest that does.
std::optional<Time> parse_time(std::string_view text);

/// Seconds since the epoch with nanoseconds: "1136073600.000000001", what --since and --until send; RFC 3339
/// too.
std::optional<Time> parse_timestamp(std::string_view text);

/// Go's Duration.String(): "1.5s", "100ms", "1h2m0s", "0s".
std::string format_go_duration(std::chrono::nanoseconds duration);

inline constexpr Time kNever = Time::min();

}  // namespace berth
