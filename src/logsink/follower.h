#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/sys/fd.h"
#include "logfile/record.h"
#include "logfile/segments.h"

namespace berth::logsink {

/// Reads the numbered entries of a log in order, from one number on, across rotations.
class Follower {
 public:
  Follower(std::string log_path, std::uint64_t next);

  /// The next entry that is there; what it points to lives until the next call. nullopt: the present end.
  std::optional<logfile::Record> next();
  /// Entries that should have come before the one that next() gave last, but are gone; and whether because their file
  /// was dropped (otherwise whoever wrote the log has lost them, and says so in it).
  std::uint64_t gap() const { return gap_; }
  bool gap_by_rotation() const { return gap_by_rotation_; }
  std::uint64_t position() const { return next_; }

  /// What lies behind the position now: bytes on the disk, and entries.
  std::uint64_t backlog_bytes() const;
  std::uint64_t backlog_entries() const;

  /// Returns when there may be more, when `other` is readable, or after `timeout_ms` (-1: never).
  void wait(sys::FdRef other, int timeout_ms);

 private:
  bool fill();
  void open_first();
  void enter(logfile::Segment segment);
  bool watch();

  std::string path_;
  std::uint64_t next_;
  std::optional<logfile::Segment> file_;
  std::string buffer_;
  std::size_t at_ = 0;                ///< in the buffer
  std::uint64_t consumed_bytes_ = 0;  ///< of this segment, into the buffer
  std::uint64_t gap_ = 0;
  bool gap_by_rotation_ = false, entered_ = false;
  sys::UniqueFd inotify_;
  std::uint64_t watched_inode_ = 0;
};

}  // namespace berth::logsink
