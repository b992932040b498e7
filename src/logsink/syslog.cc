#include "logsink/syslog.h"

#include <unistd.h>

#include <cstdio>
#include <ctime>

#include "base/core/text.h"

namespace berth::logsink {
namespace {

constexpr int kError = 3, kInfo = 6;
constexpr std::int64_t kBillion = 1'000'000'000;

std::string formatted(const tm& time, const char* format) {
  char text[64];
  return {text, std::strftime(text, sizeof text, format, &time)};
}

/// "+02:00", "Z".
std::string zone(const tm& time) {
  if (time.tm_gmtoff == 0) return "Z";
  const long minutes = std::labs(time.tm_gmtoff) / 60;
  char text[16];
  std::snprintf(text, sizeof text, "%c%02ld:%02ld", time.tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
  return text;
}

std::string timestamp(std::int64_t time_ns, std::string_view format) {
  const std::time_t seconds = time_ns / kBillion;
  tm time{};
  ::localtime_r(&seconds, &time);
  if (format != "rfc5424" && format != "rfc5424micro") return formatted(time, "%b %e %H:%M:%S");
  std::string text = formatted(time, "%Y-%m-%dT%H:%M:%S");
  if (format == "rfc5424micro") {
    char micro[16];
    std::snprintf(micro, sizeof micro, ".%06d", static_cast<int>(time_ns % kBillion / 1000));
    text += micro;
  }
  return text + zone(time);
}

}  // namespace

std::string SyslogEncoder::header(const logfile::Record& entry) const {
  const int priority = config_.facility << 3 | (entry.stream == logfile::Stream::err ? kError : kInfo);
  const std::string time = timestamp(entry.time_ns, config_.format);
  const std::string& tag = config_.tag;
  const pid_t pid = ::getpid();
  if (config_.format.empty()) return cat('<', priority, '>', time, ' ', tag, '[', pid, "]: ");
  if (config_.format == "rfc3164") {
    return cat('<', priority, '>', time, ' ', config_.host_name, ' ', tag, '[', pid, "]: ");
  }
  return cat('<', priority, ">1 ", time, ' ', config_.host_name, ' ', tag, ' ', pid, ' ', tag, " - ");
}

void SyslogEncoder::encode(const logfile::Record& entry, Messages& out) {
  if (entry.line.empty()) return;  // as Docker: an empty line is no event
  const std::string head = header(entry);
  if (config_.network == "tcp+tls" && config_.format.starts_with("rfc5424")) {
    append(out.bytes, head.size() + entry.line.size() + 1);
    out.bytes += ' ';
  }
  out.bytes.append(head).append(entry.line) += '\n';
  out.end();
}

}  // namespace berth::logsink
