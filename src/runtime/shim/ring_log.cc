#include "runtime/shim/ring_log.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/socket.h"

namespace berth::runtime::shim {
namespace {

constexpr std::size_t kPiece = 32 << 10;
constexpr int kMaxFailures = 10;
constexpr std::string_view kReason = "the log was not written in time";

// One message to the writer.
constexpr char kAppend = 'a', kFinish = 'f', kTell = 't', kReopen = 'r';
struct Header {
  char kind;
  Stream stream;
  std::int64_t time_ns;
};

std::string message(char kind, Stream stream, std::string_view bytes, Time now) {
  Header header{};
  header.kind = kind;
  header.stream = stream;
  header.time_ns = now.time_since_epoch().count();
  std::string out(sizeof header, 0);
  std::memcpy(out.data(), &header, sizeof header);
  return out.append(bytes);
}

std::uint64_t count_lines(std::string_view bytes) {
  if (bytes.empty()) return 0;
  return static_cast<std::uint64_t>(std::ranges::count(bytes, '\n')) + (bytes.back() == '\n' ? 0 : 1);
}

/// The writer: may block on the disk as long as it likes.
class Writer {
 public:
  Writer(int socket, const LogTarget& target) : socket_(socket), log_(open_file_log(target, {})) {}

  void run() {
    std::string buffer(sizeof(Header) + kPiece, 0);
    for (;;) {
      pollfd waiting{socket_.get(), POLLIN, 0};
      if (::poll(&waiting, 1, kTick) == 0) {
        reap();
        continue;
      }
      const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
      if (size < 0 && errno == EINTR) continue;
      if (size < static_cast<ssize_t>(sizeof(Header))) return;
      take({buffer.data(), static_cast<std::size_t>(size)});
      reap();
      report();
    }
  }

 private:
  static constexpr int kTick = 1000;

  void take(std::string_view bytes) {
    Header header{};
    std::memcpy(&header, bytes.data(), sizeof header);
    bytes.remove_prefix(sizeof header);
    LineState& line = lines_[header.stream == Stream::err];
    const Time time{std::chrono::nanoseconds{header.time_ns}};
    switch (header.kind) {
      case kAppend: log_->append(header.stream, bytes, line, time); break;
      case kFinish: log_->finish(header.stream, line, time); break;
      case kTell: log_->tell(bytes, time); break;
      case kReopen: log_->reopen(); break;
      default: break;
    }
  }
  void reap() {
    for (int status = 0;;) {
      const pid_t pid = ::waitpid(-1, &status, WNOHANG);
      if (pid <= 0) return;
      log_->child_ended(pid, status);
    }
  }
  void report() {
    const std::uint64_t dropped = log_->counts().dropped;
    if (std::exchange(reported_, dropped) == dropped) return;
    (void)::send(socket_.get(), &dropped, sizeof dropped, MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  sys::UniqueFd socket_;
  std::unique_ptr<Log> log_;
  LineState lines_[2];
  std::uint64_t reported_ = 0;
};

[[noreturn]] void be_writer(int socket, const LogTarget& target) {
  constexpr int kSocket = 3;
  ::prctl(PR_SET_NAME, "berth-log");
  if (socket != kSocket && ::dup2(socket, kSocket) < 0) ::_exit(1);
  ::close_range(kSocket + 1, ~0U, 0);  // the monitor's connections must end with the monitor
  try {
    Writer{kSocket, target}.run();
  } catch (const std::exception&) {
    ::_exit(1);
  }
  ::_exit(0);
}

}  // namespace

RingLog::RingLog(Loop& loop, const LogTarget& target, Outside outside, std::function<void()> changed)
    : loop_(loop), target_(target), outside_(std::move(outside)), changed_(std::move(changed)) {
  start_writer();
}

RingLog::~RingLog() { watch(0); }

void RingLog::start_writer() {
  auto [ours, theirs] = sys::socket_pair(SOCK_SEQPACKET);
  born_outside(outside_, [&] {
    const pid_t pid = ::fork();
    if (pid < 0) throw errno_error("fork", "log writer");
    if (pid == 0) be_writer(theirs.get(), target_);
    writer_ = sys::Child{pid, sys::open_pidfd(pid)};
  });
  watch(0);
  socket_ = std::move(ours);
  sys::set_nonblocking(socket_);
  watch(EPOLLIN);
}

void RingLog::watch(std::uint32_t events) {
  if (events == watched_ || !socket_) return;
  if (watched_ == 0) {
    loop_.add(socket_, events, *this);
  } else if (events == 0) {
    loop_.remove(socket_);
  } else {
    loop_.change(socket_, events, *this);
  }
  watched_ = events;
}

/// Lines are held back until they are whole, so that it is whole ones that are dropped.
void RingLog::append(Stream stream, std::string_view bytes, LineState& state, Time now) {
  if (!state.carry.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::size_t piece = end == std::string_view::npos ? bytes.size() : end + 1;
    state.carry.append(bytes.substr(0, piece));
    bytes.remove_prefix(piece);
    if (end == std::string_view::npos && state.carry.size() < kLineLimit) return;
    offer(stream, state.carry, now);
    std::string{}.swap(state.carry);
  }
  const std::size_t last = bytes.rfind('\n');
  std::size_t whole = last == std::string_view::npos ? 0 : last + 1;
  if (bytes.size() - whole >= kLineLimit) whole = bytes.size();
  if (whole != 0) offer(stream, bytes.substr(0, whole), now);
  state.carry.assign(bytes.substr(whole));
  send();
}

void RingLog::offer(Stream stream, std::string_view bytes, Time now) {
  Side& side = sides_[stream == Stream::err];
  if (side.dropping) {
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    side.dropping = false;
  }
  const std::size_t room = *target_.ring_bytes - std::min<std::size_t>(queued_bytes_, *target_.ring_bytes);
  std::string_view kept = bytes;
  if (bytes.size() > room && !queue_.empty()) {  // as many whole lines as fit
    const std::size_t last = room == 0 ? std::string_view::npos : bytes.rfind('\n', room - 1);
    kept = bytes.substr(0, last == std::string_view::npos ? 0 : last + 1);
  }
  if (!kept.empty() && untold_ != 0) {
    push(kTell, Stream::err, missing_text(std::exchange(untold_, 0), kReason), now);
  }
  bytes.remove_prefix(kept.size());
  if (!kept.empty()) side.open = kept.back() != '\n';
  for (; !kept.empty(); kept.remove_prefix(std::min(kPiece, kept.size()))) {
    push(kAppend, stream, kept.substr(0, kPiece), now);
  }
  if (!bytes.empty()) drop(stream, bytes, now);
}

void RingLog::drop(Stream stream, std::string_view bytes, Time now) {
  Side& side = sides_[stream == Stream::err];
  if (std::exchange(side.open, false)) push(kAppend, stream, "\n", now);  // the begin of the first is there already
  side.dropping = bytes.back() != '\n';
  dropped_ += count_lines(bytes);
  untold_ += count_lines(bytes);
}

void RingLog::finish(Stream stream, LineState& state, Time now) {
  if (!state.carry.empty()) offer(stream, state.carry, now);
  state = {};
  push(kFinish, stream, {}, now);
  send();
}

void RingLog::tell(std::string_view text, Time now) {
  push(kTell, Stream::err, text.substr(0, kPiece), now);
  send();
}

void RingLog::reopen() {
  push(kReopen, Stream::out, {}, now());
  send();
}

void RingLog::push(char kind, Stream stream, std::string_view bytes, Time now) {
  queue_.push_back(message(kind, stream, bytes, now));
  queued_bytes_ += bytes.size();
}

/// As much as the socket takes.
void RingLog::send() {
  while (!queue_.empty() && socket_) {
    const std::string& next = queue_.front();
    if (::send(socket_.get(), next.data(), next.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) break;
    queued_bytes_ -= next.size() - sizeof(Header);
    queue_.pop_front();
  }
  const bool over = closing_ && queue_.empty();
  if (over) ::shutdown(socket_.get(), SHUT_WR);
  watch(queue_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

void RingLog::ready(std::uint32_t events) {
  if ((events & EPOLLIN) != 0) {
    std::uint64_t dropped = 0;
    const ssize_t size = ::recv(socket_.get(), &dropped, sizeof dropped, MSG_DONTWAIT);
    if (size == sizeof dropped) dropped_by_writer_ = dropped;
    if (size == 0) return watch(0);  // it has ended; child_ended follows
    changed_();
  }
  if ((events & EPOLLOUT) != 0) return send();
  if ((events & (EPOLLHUP | EPOLLERR)) != 0 && (events & EPOLLIN) == 0) watch(0);
}

bool RingLog::child_ended(pid_t pid, int status) {
  if (writer_.pid() != pid) return false;
  (void)writer_.release();
  watch(0);
  dropped_behind_ += std::exchange(dropped_by_writer_, 0);
  const bool done = closing_ && queue_.empty() && status == 0;
  if (!done && ++failures_ <= kMaxFailures) {  // killed by somebody: what it had taken is lost, the rest is not
    start_writer();
    send();
  } else {
    give_up();
  }
  return true;
}

void RingLog::close() {
  closing_ = true;
  if (untold_ != 0) push(kTell, Stream::err, missing_text(std::exchange(untold_, 0), kReason), now());
  send();
}

void RingLog::give_up() {
  watch(0);
  socket_.reset();
  if (writer_.pid() > 0) writer_ = sys::Child{};  // killed and reaped
  for (const std::string& message : std::exchange(queue_, {})) {
    if (message.front() == kAppend) dropped_ += count_lines(std::string_view{message}.substr(sizeof(Header)));
  }
  queued_bytes_ = 0;
}

}  // namespace berth::runtime::shim
