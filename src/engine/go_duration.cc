#include "engine/go_duration.h"

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "base/core/text.h"

namespace berth::engine {

namespace {

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};
// Longer names first: "ms" is not "m".
constexpr std::array kUnits{
    Unit{"ns", 1},         Unit{"us", 1'000},        Unit{"\xC2\xB5s", 1'000},  Unit{"\xCE\xBCs", 1'000},
    Unit{"ms", 1'000'000}, Unit{"s", 1'000'000'000}, Unit{"m", 60'000'000'000}, Unit{"h", 3'600'000'000'000}};

}  // namespace

std::optional<std::chrono::nanoseconds> parse_go_duration(std::string_view text) {
  bool negative = false;
  if (text.starts_with('-') || text.starts_with('+')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return std::chrono::nanoseconds{0};
  if (text.empty()) return std::nullopt;
  __int128 total = 0;
  while (!text.empty()) {
    const std::size_t end = text.find_first_not_of("0123456789.");
    if (end == 0 || end == std::string_view::npos) return std::nullopt;
    const std::string_view number = text.substr(0, end);
    text.remove_prefix(end);
    const Unit* unit = nullptr;
    for (const Unit& candidate : kUnits) {
      if (text.starts_with(candidate.name)) {
        unit = &candidate;
        break;
      }
    }
    if (unit == nullptr) return std::nullopt;
    text.remove_prefix(unit->name.size());
    const std::size_t dot = number.find('.');
    const std::string_view whole = number.substr(0, dot);
    const std::string_view decimals = dot == std::string_view::npos ? std::string_view{} : number.substr(dot + 1);
    if (whole.empty() && decimals.empty()) return std::nullopt;
    const auto seconds = whole.empty() ? std::optional<std::int64_t>{0} : parse_number<std::int64_t>(whole);
    if (!seconds || decimals.find('.') != std::string_view::npos) return std::nullopt;
    total += static_cast<__int128>(*seconds) * unit->nanoseconds;
    __int128 fraction = 0, power = 1;
    for (const char digit : decimals.substr(0, 18)) {
      fraction = fraction * 10 + (digit - '0');
      power *= 10;
    }
    total += fraction * unit->nanoseconds / power;
    if (total > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  }
  const auto nanoseconds = static_cast<std::int64_t>(total);
  return std::chrono::nanoseconds{negative ? -nanoseconds : nanoseconds};
}

}  // namespace berth::engine
