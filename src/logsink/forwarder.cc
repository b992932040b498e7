#include "logsink/forwarder.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "logfile/format.h"
#include "logsink/fluentd.h"

namespace berth::logsink {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::size_t kBatchBytes = 64 << 10, kBatchEntries = 256;
constexpr auto kNudgeInterval = 100ms;
constexpr double kMaxWaitMs = 60'000;
constexpr unsigned kLonelySeconds = 10;  ///< how long a helper goes on whose shim is gone
constexpr int kBacklogCheck = 32;        ///< entries
constexpr std::string_view kReason = "the sink did not take them in time";

sys::UniqueFd open_cursor(const std::string& log_path) {
  sys::UniqueFd file = sys::open_file(logfile::cursor_path(log_path), O_RDWR | O_CREAT, 0600);
  if (::flock(file.get(), LOCK_EX) != 0) throw errno_error("flock", "log cursor");
  return file;
}

}  // namespace

Forwarder::Forwarder(Config config, sys::UniqueFd monitor)
    : config_(std::move(config)),
      monitor_(std::move(monitor)),
      cursor_file_(open_cursor(config_.log_path)),
      cursor_(logfile::read_cursor(config_.log_path)),
      follower_(config_.log_path, cursor_.next),
      encoder_(make_encoder(config_)),
      channel_(config_) {}

int Forwarder::run(bool must_connect) {
  if (!start(must_connect)) return 1;
  for (;;) {
    const bool was_ended = ended_;  // asked before reading: then nothing comes after an empty read
    if (forward_batch()) continue;
    if (was_ended) return 0;
    nudge(true);
    follower_.wait(monitor_, -1);
    listen(0);
  }
}

bool Forwarder::start(bool must_connect) {
  try {
    if (must_connect && !config_.async) channel_.connect();
  } catch (const Error& error) {
    say(cat("failed ", config_.driver == "journald" ? "journald is not enabled on this host"
                       : config_.driver == "gelf"   ? cat("gelf: cannot connect to GELF endpoint: ", config_.host, ':',
                                                          config_.port, ' ', error.text())
                                                    : error.text()));
    return false;
  }
  connected_ = steady_clock::now();
  say("ready");
  return true;
}

/// False when there is nothing to forward now.
bool Forwarder::forward_batch() {
  std::size_t entries = 0;
  bool any = false;
  while (entries < kBatchEntries && messages_.bytes.size() < kBatchBytes) {
    const std::optional<logfile::Record> entry = follower_.next();
    if (!entry) break;
    any = true;
    if (follower_.gap() != 0) {
      cursor_.dropped += follower_.gap();
      if (follower_.gap_by_rotation()) skipped_ += follower_.gap();
    }
    if (too_far_behind()) {
      ++cursor_.dropped;
      ++skipped_;
      cursor_.next = follower_.position();
      continue;
    }
    if (skipped_ != 0) {
      const std::string text = logfile::missing_text(std::exchange(skipped_, 0), kReason);
      encode({.stream = logfile::Stream::err, .time_ns = entry->time_ns, .line = text, .number = entry->number});
    }
    encode(*entry);
    ++entries;
  }
  if (!any) return false;
  deliver();
  cursor_.next = follower_.position();
  save();
  return true;
}

bool Forwarder::too_far_behind() {
  if (!config_.backlog_bytes && !config_.backlog_entries) return false;
  if (until_check_-- > 0) return behind_;  // it takes some system calls
  until_check_ = kBacklogCheck;
  behind_ = (config_.backlog_bytes && follower_.backlog_bytes() > *config_.backlog_bytes) ||
            (config_.backlog_entries && follower_.backlog_entries() > *config_.backlog_entries);
  return behind_;
}

void Forwarder::encode(const logfile::Record& entry) {
  try {
    encoder_->encode(entry, messages_);
  } catch (const Error&) {  // the protocol has no place for it
    ++cursor_.dropped;
  }
}

/// Until everything is sent, or was tried as often as was asked for.
void Forwarder::deliver() {
  double wait_ms = static_cast<double>(config_.retry_wait_ms);
  std::uint64_t tries = 0;
  while (sent_ < messages_.count()) {
    try {
      if (config_.reconnect_interval_ms != 0 && config_.async &&
          steady_clock::now() - connected_ > std::chrono::milliseconds{config_.reconnect_interval_ms}) {
        channel_.close();
      }
      if (!channel_.open()) {
        channel_.connect();
        connected_ = steady_clock::now();
      }
      const std::size_t before = sent_;
      if (config_.request_ack) {
        if (deliver_acknowledged()) break;
        throw system_error("fluentd: the connection was closed before the acknowledgement");
      }
      const Channel::Sent sent = channel_.send(messages_, sent_);
      sent_ = sent.next;
      if (sent_ > before) {
        tries = 0;
        wait_ms = static_cast<double>(config_.retry_wait_ms);
      }
      if (sent.failure.empty()) break;
      if (sent.lossy) {
        drop_message(1);
        continue;
      }
      channel_.close();
    } catch (const Error&) {
      channel_.close();
    }
    if (config_.max_retries && tries++ >= *config_.max_retries) {
      drop_message(1);
      tries = 0;
      continue;
    }
    save();
    nudge(true);
    listen(static_cast<int>(wait_ms));
    wait_ms = std::min(wait_ms * 1.5, kMaxWaitMs);
  }
  messages_.clear();
  sent_ = 0;
}

/// Sends all, then reads the server's word for each. False when the connection ended before the last.
bool Forwarder::deliver_acknowledged() {
  const Channel::Sent sent = channel_.send(messages_, 0);
  if (!sent.failure.empty()) return false;
  acks_.clear();
  // Chunks were named when the messages were encoded, so after a failure the same ones are sent and confirmed again.
  for (std::size_t confirmed = 0; confirmed < messages_.count();) {
    if (take_ack(acks_)) {
      ++confirmed;
      continue;
    }
    const std::string more = channel_.read();
    if (more.empty()) return false;
    acks_ += more;
  }
  return true;
}

void Forwarder::drop_message(std::size_t count) {
  sent_ += count;
  cursor_.dropped += count;
}

void Forwarder::save() {
  try {
    logfile::write_cursor(cursor_file_, cursor_);
  } catch (const Error&) {
    // A full disk. It is written in place, so this is for copy-on-write file systems; the next one may succeed.
  }
  moved_ = true;
  nudge(false);
}

void Forwarder::say(std::string_view text) {
  (void)::send(monitor_.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/// Tells the shim, not too often, that the cursor has moved.
void Forwarder::nudge(bool at_once) {
  const auto now = steady_clock::now();
  if (!moved_ || (!at_once && now - nudged_ < kNudgeInterval)) return;
  moved_ = false;
  nudged_ = now;
  say("moved");
}

/// Waits for a word of the shim.
void Forwarder::listen(int timeout_ms) {
  pollfd waiting{monitor_.get(), POLLIN, 0};
  if (ended_) {  // it has said all; only time can pass
    (void)::poll(nullptr, 0, timeout_ms);
    return;
  }
  if (::poll(&waiting, 1, timeout_ms) > 0) take_word();
}

void Forwarder::take_word() {
  char word[16];
  const ssize_t size = ::recv(monitor_.get(), word, sizeof word, MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  ended_ = true;
  if (size <= 0) ::alarm(kLonelySeconds);  // the shim is gone, and with it who would lose patience
}

}  // namespace berth::logsink
