#include "cli/stream/pump.h"

#include <poll.h>
#include <unistd.h>

#include <array>

#include "base/core/error.h"
#include "base/sys/file.h"

namespace berth::cli {

namespace {

constexpr std::size_t kBufferSize = 256 << 10;
constexpr std::size_t kGatherLimit = 64 << 10;

class Pump {
 public:
  Pump(Reply& attached, const PumpSetup& setup)
      : setup_(setup),
        connection_(attached.stream(early_)),
        demultiplexer_(output_),
        watch_(setup.tty ? parse_detach_keys(setup.detach_keys) : std::string{}),
        reading_input_(setup.input),
        buffer_(new char[kBufferSize]) {}

  PumpEnd run() {
    emit(early_);
    output_.flush();
    for (;;) {
      wait();
      if (polled_[kSignal].revents != 0) take_signals();
      if ((polled_[kDaemon].revents & (POLLIN | POLLHUP | POLLERR)) != 0 || connection_.has_buffered()) {
        if (!take_output()) return PumpEnd::finished;
      }
      if ((polled_[kDaemon].revents & POLLOUT) != 0) send_pending();
      if (polled_[kInput].revents != 0 && !take_input()) return PumpEnd::detached;
    }
  }

 private:
  static constexpr std::size_t kDaemon = 0, kSignal = 1, kInput = 2;  ///< in polled_

  void wait() {
    short events = POLLIN;
    if (!pending_.empty()) events |= POLLOUT;
    polled_[kDaemon] = {.fd = connection_.fd().get(), .events = events, .revents = 0};
    polled_[kSignal] = {
        .fd = setup_.signals == nullptr ? -1 : setup_.signals->fd().get(), .events = POLLIN, .revents = 0};
    // Nothing more is read while the container has not taken what was read: that is the back-pressure.
    const bool read_more = reading_input_ && pending_.empty();
    polled_[kInput] = {.fd = read_more ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0};
    const int timeout = connection_.has_buffered() ? 0 : -1;
    if (::poll(polled_.data(), polled_.size(), timeout) < 0 && errno != EINTR) throw errno_error("poll", "");
  }

  void take_signals() {
    while (const auto number = setup_.signals->next()) setup_.on_signal(*number);
  }

  void emit(std::string_view bytes) {
    if (setup_.tty)
      output_.write(1, bytes);
    else
      demultiplexer_.feed(bytes);
  }

  /// false at the end of the stream.
  bool take_output() {
    try {
      const auto got = connection_.try_read(buffer_.get(), kBufferSize);
      if (!got) return true;
      emit({buffer_.get(), *got});
      output_.flush();
      return *got > 0;
    } catch (const Error& error) {
      if (error.error_number() != ECONNRESET) throw;
      return false;  // the container ended with input of ours unread
    }
  }

  void send_pending() {
    try {
      pending_.erase(0, connection_.try_write(pending_));
    } catch (const Error& error) {
      if (error.error_number() != EPIPE && error.error_number() != ECONNRESET) throw;
      stop_input();  // it reads no more; its output may still come
    }
    if (pending_.empty() && input_ended_) connection_.shutdown_write();
  }

  void stop_input() {
    pending_.clear();
    reading_input_ = false;
    input_ended_ = false;
  }

  /// false when the detach keys were typed.
  bool take_input() {
    const ssize_t got = sys::retry_on_eintr([&] { return ::read(STDIN_FILENO, buffer_.get(), kBufferSize); });
    if (got < 0 && errno == EAGAIN) return true;
    if (got <= 0) {
      reading_input_ = false;
      input_ended_ = true;
      send_pending();
      return true;
    }
    const std::string_view typed{buffer_.get(), static_cast<std::size_t>(got)};
    if (setup_.tty) {
      auto passed = watch_.feed(typed);
      if (!passed) return false;
      pending_ = std::move(*passed);
    } else {
      pending_ = typed;
    }
    if (!pending_.empty()) send_pending();
    return true;
  }

  const PumpSetup& setup_;
  std::string early_;
  Connection& connection_;
  StandardOutput output_;
  Demultiplexer demultiplexer_;
  DetachWatch watch_;
  bool reading_input_, input_ended_ = false;
  std::string pending_;
  std::unique_ptr<char[]> buffer_;
  std::array<pollfd, 3> polled_{};
};

}  // namespace

StandardOutput::~StandardOutput() {
  try {
    flush();
  } catch (const Error&) {  // whoever read our output has gone
  }
}

void StandardOutput::flush() {
  if (gathered_.empty()) return;
  const std::string bytes = std::exchange(gathered_, {});
  sys::write_all(sys::FdRef::borrow(stream_ == 2 ? STDERR_FILENO : STDOUT_FILENO), bytes);
}

void StandardOutput::write(int stream, std::string_view bytes) {
  if (stream != stream_ || gathered_.size() + bytes.size() > kGatherLimit) flush();
  stream_ = stream;
  if (bytes.size() >= kGatherLimit) {
    sys::write_all(sys::FdRef::borrow(stream == 2 ? STDERR_FILENO : STDOUT_FILENO), bytes);
  } else {
    gathered_ += bytes;
  }
}

void copy_output(Reply& reply, bool multiplexed) {
  StandardOutput output;
  Demultiplexer demultiplexer{output};
  const std::unique_ptr<char[]> buffer{new char[kBufferSize]};
  while (const std::size_t got = reply.read(buffer.get(), kBufferSize)) {
    const std::string_view bytes{buffer.get(), got};
    if (multiplexed)
      demultiplexer.feed(bytes);
    else
      output.write(1, bytes);
    if (!reply.has_buffered()) output.flush();
  }
}

PumpEnd pump(Reply& attached, const PumpSetup& setup) { return Pump{attached, setup}.run(); }

}  // namespace berth::cli
