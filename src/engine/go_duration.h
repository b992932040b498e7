#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace berth::engine {

/// Go's time.ParseDuration: "300ms", "-1.5h", "2h45m"; units ns, us (µs), ms, s, m, h. nullopt for anything else and
/// for what does not fit.
std::optional<std::chrono::nanoseconds> parse_go_duration(std::string_view text);

}  // namespace berth::engine
