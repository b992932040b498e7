#pragma once

#include <chrono>
#include <deque>
#include <string>
#include <string_view>

#include "base/sys/fd.h"
#include "base/sys/process.h"
#include "logfile/cursor.h"
#include "runtime/shim/local_log.h"

namespace berth::runtime::shim {

/// The log of a driver that sends entries elsewhere. They go to a file of the `local` format first; a helper process
/// (berth-logger, room logsink) reads them from there and keeps a cursor. So a sink that is slow, or away, stops
/// nothing; and neither the daemon's end nor the helper's loses anything.
///
/// The helper says "ready", or "failed TEXT", once, and "moved" when its cursor has; it is told "end" after the last
/// entry.
class ForwardedLog final : public LocalLog, private Watcher {
 public:
  ForwardedLog(Loop& loop, const LogTarget& target, Outside outside, std::function<void()> changed);
  ~ForwardedLog() override;

  void append(Stream stream, std::string_view bytes, LineState& state, Time now) override;
  bool full() const override;
  LogCounts counts() override;
  void await_ready() override;
  bool child_ended(pid_t pid, int status) override;
  int tick() override;
  void close() override;
  bool closed() const override { return helper_.pid() <= 0; }
  void give_up() override;

 private:
  void ready(std::uint32_t events) override;
  void start_helper();
  void hang_up();

  Loop& loop_;
  LogTarget target_;
  Outside outside_;
  std::function<void()> changed_;
  sys::Child helper_;
  sys::UniqueFd socket_;
  std::uint64_t dropped_before_;  ///< in earlier runs
  std::uint64_t seen_rotations_ = 0;
  std::deque<std::uint64_t> bounds_;  ///< for each rotation of this run: all entries in the file were below this
  std::optional<std::chrono::steady_clock::time_point> next_try_;
  bool watched_ = false, closing_ = false;
  bool started_ = false;  ///< once: from then on a sink that is away is no reason to fail
};

}  // namespace berth::runtime::shim
