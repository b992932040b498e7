#include "base/core/time.h"

#include <time.h>

#include <cstdio>

#include "base/core/text.h"

namespace berth {

Time now() {
  timespec spec{};
  ::clock_gettime(CLOCK_REALTIME, &spec);
  return Time{std::chrono::seconds{spec.tv_sec} + std::chrono::nanoseconds{spec.tv_nsec}};
}

namespace {

constexpr std::string_view kGoZero = "0001-01-01T00:00:00Z";

// 64 bits of nanoseconds reach from 1677 to 2262. What lies outside is the nearest moment that there is: a log is all
// later than the year 1000 and all earlier than the year 3000.
constexpr Time kFirst = std::chrono::ceil<std::chrono::days>(kNever), kLast = Time::max();
constexpr auto kFirstSecond = std::chrono::ceil<std::chrono::seconds>(kFirst);
constexpr auto kLastSecond = std::chrono::floor<std::chrono::seconds>(kLast) - std::chrono::seconds{1};

std::string format(Time time, bool fixed) {
  if (time == kNever) return std::string{kGoZero};
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const auto seconds_of_day = floor<seconds>(time - day);
  const hh_mm_ss clock{seconds_of_day};
  char buffer[40];
  int size = std::snprintf(buffer, sizeof buffer, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                           static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                           static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                           static_cast<int>(clock.seconds().count()));
  std::string out(buffer, static_cast<std::size_t>(size));
  const long nanos = (time - day - seconds_of_day).count();
  if (nanos != 0 || fixed) {
    size = std::snprintf(buffer, sizeof buffer, ".%09ld", nanos);
    out.append(buffer, static_cast<std::size_t>(size));
    while (!fixed && out.back() == '0') out.pop_back();
  }
  return out + 'Z';
}

/// Reads exactly `digits` decimal digits at the front.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  const auto value = parse_number<unsigned>(text.substr(0, digits));
  text.remove_prefix(digits);
  if (!value) return std::nullopt;
  return static_cast<int>(*value);
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

/// Nanoseconds of a decimal fraction's digits; digits past the ninth are dropped.
std::optional<long> take_fraction(std::string_view& text) {
  long nanos = 0;
  int digits = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), ++digits) {
    if (digits < 9) nanos = nanos * 10 + (text.front() - '0');
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 9; ++digits) nanos *= 10;
  return nanos;
}

}  // namespace

std::string format_time(Time time) { return format(time, false); }
std::string format_time_fixed(Time time) { return format(time, true); }

std::optional<Time> parse_time(std::string_view text) {
  using namespace std::chrono;
  if (text == kGoZero) return kNever;
  const auto y = take_number(text, 4);
  if (!y || !take(text, '-')) return std::nullopt;
  const auto mo = take_number(text, 2);
  if (!mo || !take(text, '-')) return std::nullopt;
  const auto d = take_number(text, 2);
  if (!d || !(take(text, 'T') || take(text, 't') || take(text, ' '))) return std::nullopt;
  const auto h = take_number(text, 2);
  if (!h || !take(text, ':')) return std::nullopt;
  const auto mi = take_number(text, 2);
  if (!mi || !take(text, ':')) return std::nullopt;
  const auto s = take_number(text, 2);
  if (!s) return std::nullopt;
  long nanos = 0;
  if (take(text, '.')) {
    const auto fraction = take_fraction(text);
    if (!fraction) return std::nullopt;
    nanos = *fraction;
  }
  minutes offset{0};
  if (!take(text, 'Z') && !take(text, 'z')) {
    if (text.empty() || (text.front() != '+' && text.front() != '-')) return std::nullopt;
    const int sign = text.front() == '-' ? -1 : 1;
    text.remove_prefix(1);
    const auto oh = take_number(text, 2);
    if (!oh || !take(text, ':')) return std::nullopt;
    const auto om = take_number(text, 2);
    if (!om) return std::nullopt;
    offset = minutes{sign * (*oh * 60 + *om)};
  }
  const year_month_day date{year{*y}, month{static_cast<unsigned>(*mo)}, day{static_cast<unsigned>(*d)}};
  if (!text.empty() || !date.ok() || *h > 23 || *mi > 59 || *s > 59) return std::nullopt;
  const sys_seconds moment = sys_days{date} + hours{*h} + minutes{*mi} + seconds{*s} - offset;
  if (moment > kLastSecond) return kLast;
  if (moment < kFirstSecond) return kFirst;
  return Time{moment} + nanoseconds{nanos};
}

std::optional<Time> parse_timestamp(std::string_view text) {
  if (const auto time = parse_time(text)) return time;
  const std::size_t dot = text.find('.');
  const auto seconds = parse_number<std::int64_t>(text.substr(0, dot));
  if (!seconds) return std::nullopt;
  long nanos = 0;
  if (dot != std::string_view::npos) {
    std::string_view rest = text.substr(dot + 1);
    const auto fraction = take_fraction(rest);
    if (!fraction || !rest.empty()) return std::nullopt;
    nanos = *fraction;
  }
  if (*seconds > kLastSecond.time_since_epoch().count()) return kLast;
  if (*seconds < kFirstSecond.time_since_epoch().count()) return kFirst;
  return Time{std::chrono::seconds{*seconds} + std::chrono::nanoseconds{nanos}};
}

}  // namespace berth
