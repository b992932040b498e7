#include "runtime/shim/forwarded_log.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "base/sys/socket.h"

namespace berth::runtime::shim {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kStartPatience{60};  ///< the helper has shorter ones of its own
constexpr std::chrono::seconds kPause{1};           ///< before a helper that has died is started again

std::uint64_t first_number(const std::string& last_entry, const logfile::Cursor& cursor) {
  std::uint64_t next = cursor.next;
  if (!last_entry.empty()) {
    if (const auto record = logfile::decode(last_entry)) next = std::max(next, record->number + 1);
  }
  return next;
}

}  // namespace

ForwardedLog::ForwardedLog(Loop& loop, const LogTarget& target, Outside outside, std::function<void()> changed)
    : LocalLog(target, outside),
      loop_(loop),
      target_(target),
      outside_(std::move(outside)),
      changed_(std::move(changed)) {
  const logfile::Cursor cursor = logfile::read_cursor(target_.path);
  dropped_before_ = cursor.dropped;
  next_number_ = first_number(file_.last_entry(), cursor);
  start_helper();
}

ForwardedLog::~ForwardedLog() { hang_up(); }

void ForwardedLog::start_helper() {
  next_try_.reset();
  auto [ours, theirs] = sys::socket_pair(SOCK_SEQPACKET);
  const sys::UniqueFd config = sys::memory_file("berth-log-sink", target_.sink);
  born_outside(outside_, [&] {
    helper_ = sys::spawn({.program = target_.helper_path,
                          .arguments = {"berth-logger", std::exchange(started_, true) ? "resume" : "forward"},
                          .environment = {},
                          .descriptors = {{theirs.get(), 3}, {config.get(), 4}}});
  });
  socket_ = std::move(ours);
  loop_.add(socket_, EPOLLIN, *this);
  watched_ = true;
}

void ForwardedLog::hang_up() {
  if (std::exchange(watched_, false)) loop_.remove(socket_);
  socket_.reset();
}

void ForwardedLog::await_ready() {
  const auto deadline = steady_clock::now() + kStartPatience;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
    pollfd waiting{socket_.get(), POLLIN, 0};
    const int count = ::poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) throw system_error("the log's sink does not answer");
    const std::optional<sys::Message> message = sys::receive_message(socket_);
    if (!message || message->bytes.empty()) throw system_error("the log's helper process has ended unexpectedly");
    if (message->bytes == "ready") return;
    if (message->bytes.starts_with("failed ")) throw system_error(message->bytes.substr(7));
  }
}

void ForwardedLog::append(Stream stream, std::string_view bytes, LineState& state, Time now) {
  LocalLog::append(stream, bytes, state, now);
  for (; seen_rotations_ < file_.rotations(); ++seen_rotations_) {
    bounds_.push_back(next_number_);
    if (bounds_.size() >= target_.max_files) bounds_.pop_front();
  }
}

/// The oldest file would go with the next rotation, and holds what was not sent.
bool ForwardedLog::full() const {
  if (!target_.wait_for_sink || closing_ || bounds_.size() + 1 < target_.max_files) return false;
  return logfile::read_cursor(target_.path).next < bounds_.front();
}

LogCounts ForwardedLog::counts() {
  const logfile::Cursor cursor = logfile::read_cursor(target_.path);
  return {.dropped = cursor.dropped - std::min(dropped_before_, cursor.dropped),
          .unsent = next_number_ - std::min(cursor.next, next_number_)};
}

void ForwardedLog::ready(std::uint32_t) {
  std::optional<sys::Message> message;
  try {
    message = sys::receive_message(socket_);
  } catch (const Error&) {
    // As good as gone.
  }
  if (!message || message->bytes.empty()) return hang_up();  // child_ended follows
  changed_();
}

bool ForwardedLog::child_ended(pid_t pid, int status) {
  if (helper_.pid() != pid) return LocalLog::child_ended(pid, status);
  (void)helper_.release();
  hang_up();
  if (!closing_) {
    next_try_ = steady_clock::now() + kPause;
  } else if (status == 0 && target_.forget_when_sent) {
    file_.remove_files();
  }
  changed_();
  return true;
}

int ForwardedLog::tick() {
  if (!next_try_) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next_try_ - steady_clock::now());
  if (left.count() > 0) return static_cast<int>(left.count());
  try {
    start_helper();
  } catch (const Error&) {
    next_try_ = steady_clock::now() + kPause;  // no memory, no program: later
  }
  return -1;
}

void ForwardedLog::close() {
  closing_ = true;
  next_try_.reset();
  if (socket_) ::send(socket_.get(), "end", 3, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void ForwardedLog::give_up() {
  hang_up();
  if (helper_.pid() > 0) helper_ = sys::Child{};  // killed and reaped; the rest is sent when the container starts again
}

}  // namespace berth::runtime::shim
