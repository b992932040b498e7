#include "base/core/log.h"

#include <unistd.h>

#include "base/core/error.h"
#include "base/core/time.h"

namespace berth {

LogLevel parse_log_level(std::string_view name) {
  if (name == "debug") return LogLevel::debug;
  if (name == "info") return LogLevel::info;
  if (name == "warn" || name == "warning") return LogLevel::warn;
  if (name == "error") return LogLevel::error;
  if (name == "fatal" || name == "panic") return LogLevel::fatal;
  throw invalid(cat("unable to parse logging level: ", name));
}

void Logger::write(LogLevel level, std::string_view message) const {
  constexpr std::string_view kNames[] = {"debug", "info", "warning", "error", "fatal"};
  const std::string line = cat("time=\"", format_time_fixed(now()), "\" level=", kNames[static_cast<int>(level)],
                               " msg=", quoted(message), '\n');
  // A log that cannot be written has nobody to be reported to.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace berth
