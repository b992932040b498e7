#include "cli/text/units.h"

#include <time.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::cli {

namespace {

std::string scaled(double value, double base, const std::array<const char*, 9>& units, int digits) {
  std::size_t unit = 0;
  while (value >= base && unit + 1 < units.size()) {
    value /= base;
    ++unit;
  }
  char buffer[48];
  const int size = std::snprintf(buffer, sizeof buffer, "%.*g%s", digits, value, units[unit]);
  return {buffer, static_cast<std::size_t>(size)};
}

/// The number at the front of `text`; what follows stays in `text`.
std::optional<double> take_decimal(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  double value = 0;
  const auto [stop, code] = std::from_chars(text.data(), text.data() + end, value, std::chars_format::fixed);
  if (code != std::errc{} || stop != text.data() + end || end == 0) return std::nullopt;
  text.remove_prefix(end);
  return value;
}

}  // namespace

std::string human_size(double bytes, int digits) {
  return scaled(bytes, 1000.0, {"B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"}, digits);
}

std::string binary_size(double bytes) {
  return scaled(bytes, 1024.0, {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"}, 4);
}

std::string human_duration(std::chrono::nanoseconds time) {
  const double seconds_exact = std::chrono::duration<double>(time).count();
  const auto seconds = static_cast<std::int64_t>(seconds_exact);
  if (seconds < 1) return "Less than a second";
  if (seconds == 1) return "1 second";
  if (seconds < 60) return cat(seconds, " seconds");
  const auto minutes = static_cast<std::int64_t>(seconds_exact / 60);
  if (minutes == 1) return "About a minute";
  if (minutes < 60) return cat(minutes, " minutes");
  const auto hours = static_cast<std::int64_t>(std::floor(seconds_exact / 3600 + 0.5));
  if (hours == 1) return "About an hour";
  if (hours < 48) return cat(hours, " hours");
  if (hours < 24 * 7 * 2) return cat(hours / 24, " days");
  if (hours < 24 * 30 * 2) return cat(hours / 24 / 7, " weeks");
  if (hours < 24 * 365 * 2) return cat(hours / 24 / 30, " months");
  return cat(static_cast<std::int64_t>(seconds_exact / 3600) / 24 / 365, " years");
}

std::int64_t parse_size(std::string_view text) {
  const auto fail = [&] { return invalid(cat("invalid size: '", text, "'")); };
  std::string_view rest = text;
  const auto number = take_decimal(rest);
  if (!number) throw fail();
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  std::string suffix = to_lower(rest);
  const auto too_large = [&](double value) { return value >= 9.2e18; };
  if (suffix.empty() || suffix == "b") {
    if (too_large(*number)) throw fail();
    return static_cast<std::int64_t>(*number);
  }
  const std::size_t power = std::string_view{"bkmgtp"}.find(suffix.front());
  const std::string tail = suffix.substr(1);
  if (power == std::string_view::npos || power == 0 || !(tail.empty() || tail == "b" || tail == "ib")) {
    throw invalid(cat("invalid suffix: '", rest, "'"));
  }
  const double bytes = *number * std::pow(1024.0, static_cast<double>(power));
  if (too_large(bytes)) throw fail();
  return static_cast<std::int64_t>(bytes);
}

std::int64_t parse_duration(std::string_view text) {
  const auto fail = [&](std::string_view what) { return invalid(cat("time: ", what, " duration ", quoted(text))); };
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return 0;
  if (rest.empty()) throw fail("invalid");
  double total = 0;
  while (!rest.empty()) {
    const auto number = take_decimal(rest);
    if (!number) throw fail("invalid");
    const std::size_t end = std::min(rest.find_first_of("0123456789."), rest.size());
    const std::string_view unit = rest.substr(0, end);
    rest.remove_prefix(end);
    double scale = 0;
    if (unit.empty()) throw fail("missing unit in");
    if (unit == "ns")
      scale = 1;
    else if (unit == "us" || unit == "\xC2\xB5s" || unit == "\xCE\xBCs")
      scale = 1e3;
    else if (unit == "ms")
      scale = 1e6;
    else if (unit == "s")
      scale = 1e9;
    else if (unit == "m")
      scale = 60e9;
    else if (unit == "h")
      scale = 3600e9;
    else
      throw invalid(cat("time: unknown unit ", quoted(unit), " in duration ", quoted(text)));
    total += *number * scale;
  }
  if (total >= 9.2e18) throw fail("invalid");
  return static_cast<std::int64_t>(std::llround(negative ? -total : total));
}

std::int64_t parse_nano_cpus(std::string_view text) {
  std::string_view rest = text;
  const auto number = take_decimal(rest);
  if (!number || !rest.empty() || *number > 9e9) {
    throw invalid(cat("failed to parse ", text, " as a rational number"));
  }
  const double nanos = *number * 1e9;
  if (std::abs(nanos - std::round(nanos)) > 1e-3) throw invalid("value is too precise");
  return std::llround(nanos);
}

namespace {

struct Broken {
  tm fields{};
  long nanos = 0;
};

Broken broken_down(Time time, bool local) {
  using namespace std::chrono;
  const auto whole = floor<seconds>(time);
  const time_t stamp = whole.time_since_epoch().count();
  Broken out;
  if (local)
    ::localtime_r(&stamp, &out.fields);
  else
    ::gmtime_r(&stamp, &out.fields);
  out.nanos = (time - whole).count();
  return out;
}

}  // namespace

std::string go_time(Time time, bool local) {
  if (time == kNever) return "0001-01-01 00:00:00 +0000 UTC";
  const Broken at = broken_down(time, local);
  char buffer[64];
  std::size_t size = std::strftime(buffer, sizeof buffer, "%Y-%m-%d %H:%M:%S", &at.fields);
  std::string out(buffer, size);
  if (at.nanos != 0) {
    std::snprintf(buffer, sizeof buffer, ".%09ld", at.nanos);
    out += buffer;
    while (out.back() == '0') out.pop_back();
  }
  size = std::strftime(buffer, sizeof buffer, " %z %Z", &at.fields);
  std::string zone(buffer, size);
  if (!local) zone = " +0000 UTC";
  return out + zone;
}

std::string local_rfc3339(Time time) {
  const Broken at = broken_down(time, true);
  char buffer[64];
  std::size_t size = std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%S", &at.fields);
  std::string out(buffer, size);
  if (at.fields.tm_gmtoff == 0) return out + 'Z';
  size = std::strftime(buffer, sizeof buffer, "%z", &at.fields);
  return cat(out, std::string_view{buffer, 3}, ":", std::string_view{buffer + 3, 2});
}

}  // namespace berth::cli
