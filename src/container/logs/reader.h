#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/time.h"
#include "base/sys/fd.h"
#include "container/logs/json_entry.h"
#include "logfile/format.h"
#include "logfile/segments.h"

/// Reading what berth-shim wrote: a log of either format with its rotated predecessors, plain or compressed.
/// Spec of the answer: docker-engine-api-v1.51.yaml, ContainerLogs.
namespace berth::container::logs {

struct ReadOptions {
  bool want_stdout = true, want_stderr = true, timestamps = false, details = false;
  bool framed = true;  ///< 8-byte headers; false for containers with a terminal
  /// One frame for many entries of a stream: a client that takes the log as a whole reads it several times faster.
  /// Followers get a frame an entry, as from dockerd, since some take frames for lines.
  bool coalesced = false;
  std::optional<Time> since, until;
  std::optional<std::int64_t> tail;  ///< last entries only, of both streams together; nullopt or < 0: all
};

/// All calls block on the disk; use one reader on one thread at a time. Holds a buffer only between calls
/// that found something, so that a thousand idle followers cost descriptors and little else.
class Reader {
 public:
  /// A log that does not exist (yet) reads as empty.
  Reader(std::string path, logfile::Format format, ReadOptions options);

  /// The next entries, ready to be sent, some 100 KB at a time; "" when the log's present end is reached.
  /// Follows a rotation that happens meanwhile. A damaged line is left out.
  std::string read();
  bool past_until() const { return past_until_; }  ///< an entry later than `until` was seen: nothing more will come

 private:
  void open_first();
  bool open_next();
  void seek_tail();
  bool fill();
  bool read_chunk();
  bool truncated();
  /// Entries at the front of `rest`, until there is no whole one.
  void take_lines(std::string_view& rest, std::string& out);
  void take_records(std::string_view& rest, std::string& out);
  void take(const Entry& entry, std::string& out);
  void append_frame_header(std::string& out, Stream stream, std::size_t size);

  std::string path_;
  logfile::Format format_;
  ReadOptions options_;
  std::optional<logfile::Segment> file_;
  std::string buffer_;  ///< read and not yet consumed: starts at an entry's start
  std::string scratch_;
  std::size_t frame_at_ = 0;  ///< of the last header in what read() is about to return
  std::optional<Stream> frame_stream_;
  std::int64_t skip_ = 0;  ///< entries to leave out yet
  bool past_until_ = false, since_reached_ = false;
};

/// Tells when something in a log's folder was written, created or moved. Non-blocking; wait on fd(), then
/// drain().
class Watch {
 public:
  explicit Watch(const std::string& log_path);
  const sys::UniqueFd& fd() const { return inotify_; }
  void drain();

 private:
  sys::UniqueFd inotify_;
};

}  // namespace berth::container::logs
