#pragma once

#include <string>
#include <string_view>

#include "runtime/shim/log_file.h"

namespace berth::runtime::shim {

/// A container's log in the form of Docker's `local` driver (logfile/record.h). Logs that are forwarded are kept like
/// this too, with their entries numbered.
class LocalLog : public Log {
 public:
  explicit LocalLog(const LogTarget& target, Outside outside = {});

  void append(Stream stream, std::string_view bytes, LineState& state, Time now) override;
  void finish(Stream stream, LineState& state, Time now) override;
  void tell(std::string_view text, Time now) override;
  void reopen() override { file_.reopen(); }
  void release_memory() override { file_.release_memory(); }
  LogCounts counts() override { return {.dropped = file_.dropped()}; }
  bool child_ended(pid_t pid, int status) override { return file_.child_ended(pid, status); }

 protected:
  std::uint64_t next_number_ = 0;  ///< of the next entry; 0: they have none
  LogFile file_;

 private:
  void stamp(Time time);
  void entry(Stream stream, std::string_view text, LineState& state, bool line_ends);
  void put(logfile::Record record);
  void tell_missing();

  std::string attributes_;
  std::int64_t now_ns_ = 0;
};

}  // namespace berth::runtime::shim
