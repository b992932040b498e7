#pragma once

#include <string>
#include <string_view>

#include "runtime/shim/log_file.h"

namespace berth::runtime::shim {

/// A container's log in the form of Docker's json-file driver:
///   {"log":"text\n","stream":"stdout","attrs":{…},"time":"2026-11-23T21:00:00.123456789Z"}
/// A line longer than 16 KiB is several entries, of which only the last one's text ends with \n.
class JsonLog final : public Log {
 public:
  explicit JsonLog(const LogTarget& target, Outside outside = {});

  /// The bytes reach the file before it returns.
  void append(Stream stream, std::string_view bytes, LineState& state, Time now) override;
  void finish(Stream stream, LineState& state, Time now) override;
  void tell(std::string_view text, Time now) override;
  void reopen() override { file_.reopen(); }
  void release_memory() override { file_.release_memory(); }
  LogCounts counts() override { return {.dropped = file_.dropped()}; }
  bool child_ended(pid_t pid, int status) override { return file_.child_ended(pid, status); }

 private:
  void stamp(Time time);
  void entry(std::string_view text, bool whole_line, std::string_view ending);
  std::string_view ending_for(Stream stream, LineState& state, bool line_ends);
  void tell_missing();

  LogFile file_;
  std::string suffix_[2];  ///< what follows the text, without the time; for stdout and stderr
  std::string ending_[2];  ///< the same with this batch's time
  std::string part_ending_;
  std::int64_t now_ns_ = 0;
};

}  // namespace berth::runtime::shim
