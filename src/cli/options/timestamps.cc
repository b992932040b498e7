#include "cli/options/timestamps.h"

#include <time.h>

#include <cstdio>

#include "base/core/error.h"
#include "base/core/text.h"
#include "cli/text/units.h"

namespace berth::cli {

namespace {

std::string seconds_text(Time time) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  char nanos[16];
  std::snprintf(nanos, sizeof nanos, "%09ld", static_cast<long>((time - whole).count()));
  return cat(whole.time_since_epoch().count(), ".", std::string_view{nanos});
}

/// Forms without a zone are local times; the end may be left out down to the day.
std::optional<Time> parse_local(const std::string& text) {
  for (const char* form : {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H", "%Y-%m-%d"}) {
    tm fields{};
    fields.tm_isdst = -1;
    const char* end = ::strptime(text.c_str(), form, &fields);
    if (end == nullptr) continue;
    const bool utc = *end == 'Z' && end[1] == '\0';
    if (*end != '\0' && !utc) continue;
    return Time{std::chrono::seconds{utc ? ::timegm(&fields) : ::mktime(&fields)}};
  }
  return std::nullopt;
}

}  // namespace

std::string to_timestamp(const std::string& text, Time now) {
  try {
    return seconds_text(now - std::chrono::nanoseconds{parse_duration(text)});
  } catch (const Error&) {  // then it is a moment
  }
  if (const auto moment = parse_timestamp(text)) return seconds_text(*moment);
  if (const auto moment = parse_local(text)) return seconds_text(*moment);
  throw invalid(cat("failed to parse value as time or duration: ", quoted(text)));
}

}  // namespace berth::cli
