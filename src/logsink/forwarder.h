#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/sys/fd.h"
#include "logfile/cursor.h"
#include "logsink/channel.h"
#include "logsink/config.h"
#include "logsink/follower.h"
#include "logsink/messages.h"

namespace berth::logsink {

/// The life of one helper process: takes entries from the log's file to the sink, and moves the cursor after them.
/// `monitor` is its end of a SEQPACKET pair with the shim (runtime/shim/forwarded_log.h says what goes over it).
class Forwarder {
 public:
  /// Waits for an earlier helper of the same log to end.
  Forwarder(Config config, sys::UniqueFd monitor);
  /// `must_connect`: a sink that can't be reached now is a failure. Returns the exit code, when the container has ended
  /// and everything is sent.
  int run(bool must_connect);

 private:
  bool start(bool must_connect);
  bool forward_batch();
  bool too_far_behind();
  void encode(const logfile::Record& entry);
  void deliver();
  bool deliver_acknowledged();
  void drop_message(std::size_t count);
  void save();
  void say(std::string_view text);
  void nudge(bool at_once);
  void listen(int timeout_ms);
  void take_word();

  Config config_;
  sys::UniqueFd monitor_, cursor_file_;
  logfile::Cursor cursor_;
  Follower follower_;
  std::unique_ptr<Encoder> encoder_;
  Channel channel_;
  Messages messages_;
  std::size_t sent_ = 0;       ///< of these messages
  std::string acks_;           ///< read and not yet understood
  std::uint64_t skipped_ = 0;  ///< dropped, and the sink is not yet told
  int until_check_ = 0;
  bool behind_ = false, ended_ = false, moved_ = false;
  std::chrono::steady_clock::time_point nudged_, connected_;
};

}  // namespace berth::logsink
