#pragma once

#include <string>
#include <string_view>

#include "base/core/text.h"

namespace berth {

enum class LogLevel { debug, info, warn, error, fatal };

/// Parses dockerd's names (debug, info, warn, error, fatal); throws invalid.
LogLevel parse_log_level(std::string_view name);

/// Where the daemon reports what nobody asked for. One line an entry on standard error, in dockerd's
/// (logrus') text form: time="…" level=info msg="…". Safe from several threads; a line is one write(2).
class Logger {
 public:
  explicit Logger(LogLevel level = LogLevel::info) : level_(level) {}

  void set_level(LogLevel level) { level_ = level; }
  LogLevel level() const { return level_; }
  bool enabled(LogLevel level) const { return level >= level_; }
  void write(LogLevel level, std::string_view message) const;

  template <class... P>
  void debug(const P&... p) const {
    log(LogLevel::debug, p...);
  }
  template <class... P>
  void info(const P&... p) const {
    log(LogLevel::info, p...);
  }
  template <class... P>
  void warn(const P&... p) const {
    log(LogLevel::warn, p...);
  }
  template <class... P>
  void error(const P&... p) const {
    log(LogLevel::error, p...);
  }

 private:
  template <class... P>
  void log(LogLevel level, const P&... p) const {
    if (enabled(level)) write(level, cat(p...));
  }

  LogLevel level_;
};

}  // namespace berth
