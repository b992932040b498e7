#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "base/sys/fd.h"
#include "base/sys/process.h"
#include "runtime/shim/log.h"

namespace berth::runtime::shim {

/// The log of mode=non-blocking: a process of its own, forked from this one, writes the files, so that a disk that
/// doesn't answer stops only that one. Between the two are a socket and at most `ring_bytes` of memory. Lines that find
/// no room are dropped whole, the newest ones as in Docker.
class RingLog final : public Log, private Watcher {
 public:
  RingLog(Loop& loop, const LogTarget& target, Outside outside, std::function<void()> changed);
  ~RingLog() override;

  void append(Stream stream, std::string_view bytes, LineState& state, Time now) override;
  void finish(Stream stream, LineState& state, Time now) override;
  void tell(std::string_view text, Time now) override;
  void reopen() override;
  LogCounts counts() override { return {.dropped = dropped_ + dropped_behind_ + dropped_by_writer_}; }
  bool child_ended(pid_t pid, int status) override;
  void close() override;
  bool closed() const override { return writer_.pid() <= 0; }
  void give_up() override;

 private:
  /// What is true of one stream.
  struct Side {
    bool dropping = false;  ///< the begin of this line was dropped: its rest goes the same way
    bool open = false;      ///< what was kept last is the begin of a line
  };
  void ready(std::uint32_t events) override;
  void start_writer();
  void offer(Stream stream, std::string_view bytes, Time now);
  void drop(Stream stream, std::string_view bytes, Time now);
  void push(char kind, Stream stream, std::string_view bytes, Time now);
  void send();
  void watch(std::uint32_t events);

  Loop& loop_;
  LogTarget target_;
  Outside outside_;
  std::function<void()> changed_;
  sys::Child writer_;
  sys::UniqueFd socket_;
  std::uint32_t watched_ = 0;
  std::deque<std::string> queue_;
  std::size_t queued_bytes_ = 0;
  Side sides_[2];
  std::uint64_t dropped_ = 0;         ///< here, for want of room
  std::uint64_t untold_ = 0;          ///< of these, not yet told in the log
  std::uint64_t dropped_behind_ = 0;  ///< by writers, for want of disk
  std::uint64_t dropped_by_writer_ = 0;
  int failures_ = 0;
  bool closing_ = false;
};

}  // namespace berth::runtime::shim
