#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/time.h"
#include "logfile/format.h"
#include "logfile/record.h"
#include "runtime/shim/loop.h"
#include "runtime/shim/protocol.h"

namespace berth::runtime::shim {

using logfile::missing_text;
using logfile::Stream;

/// As in Docker (moby daemon/logger/copier.go), a longer line becomes several entries.
inline constexpr std::size_t kLineLimit = 16 * 1024;

/// One stream's line that has begun and not ended.
struct LineState {
  std::string carry;          ///< what came of it and is no entry yet: less than kLineLimit
  std::int32_t parts = 0;     ///< entries that it has become so far
  std::int64_t begun_ns = 0;  ///< all parts carry the time of the first
  std::string id;             ///< and its ID, where the format has one
  void begin_part(std::int64_t now_ns) {
    if (parts++ == 0) begun_ns = now_ns;
  }
  void end_line() {
    parts = 0;
    id.clear();
  }
};

/// Adds the begin of `bytes` to a line that was begun before (`state.carry` is not empty) and removes it from there.
/// Says whether `carry` is to be an entry now, and whether the line ends with it.
struct Carried {
  bool entry = false, line_ends = false;
};
Carried carry_on(std::string_view& bytes, LineState& state);

struct LogCounts {
  std::uint64_t dropped = 0;  ///< entries that are lost
  std::uint64_t unsent = 0;   ///< entries in the file that the sink has not got yet
  bool operator==(const LogCounts&) const = default;
};

/// Calls `birth`, which makes a child process, so that the child is born in the monitor's own pid namespace: after an
/// exec, others of its children would be the container's to see and to kill.
using Outside = std::function<void(const std::function<void()>& birth)>;
inline void born_outside(const Outside& outside, const std::function<void()>& birth) {
  outside ? outside(birth) : birth();
}

/// A container's log. What can't be kept is dropped, whole entries at a time, and counted; as soon as entries can be
/// kept again, one on stderr says how many are missing.
class Log {
 public:
  virtual ~Log() = default;
  /// Takes what was read of a stream at once, `now`.
  virtual void append(Stream stream, std::string_view bytes, LineState& state, Time now) = 0;
  /// The stream has ended: what is left of its line is an entry without a newline.
  virtual void finish(Stream stream, LineState& state, Time now) = 0;
  /// An entry of the log's own, on stderr.
  virtual void tell(std::string_view text, Time now) = 0;
  virtual void reopen() {}
  virtual void release_memory() {}
  /// Nothing may be read of the container's output now.
  virtual bool full() const { return false; }
  virtual LogCounts counts() = 0;

  /// Blocks until entries can go where they should; throws what stands in the way.
  virtual void await_ready() {}
  /// True when the process was one of this log's helpers.
  virtual bool child_ended(pid_t pid, int status) = 0;
  /// Something may be due; milliseconds until the next call, -1: whenever.
  virtual int tick() { return -1; }
  /// Nothing will be appended any more.
  virtual void close() {}
  virtual bool closed() const { return true; }
  /// Patience with close() is over.
  virtual void give_up() {}
};

/// nullptr for "none". `changed` is called when full() or counts() may say something else.
std::unique_ptr<Log> open_log(Loop& loop, const LogTarget& target, Outside outside, std::function<void()> changed);
/// A log that writes itself, for the process that may block on the disk.
std::unique_ptr<Log> open_file_log(const LogTarget& target, Outside outside);

}  // namespace berth::runtime::shim
