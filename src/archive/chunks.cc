#include "archive/chunks.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/core/error.h"
#include "base/sys/file.h"

namespace berth::archive {

BufferedChunks::BufferedChunks(ByteSource& origin, std::size_t buffer_bytes)
    : origin_(origin), buffer_(buffer_bytes, '\0') {}

std::string_view BufferedChunks::next_chunk() { return {buffer_.data(), origin_.read(buffer_.data(), buffer_.size())}; }

ReadAhead::ReadAhead(ByteSource& origin, std::size_t buffer_bytes, std::size_t buffers)
    : origin_(origin), ring_(buffers) {
  for (Buffer& buffer : ring_) buffer.bytes.resize(buffer_bytes);
  thread_ = std::thread([this] { run(); });
}

ReadAhead::~ReadAhead() {
  {
    const std::lock_guard lock{mutex_};
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void ReadAhead::run() {
  std::exception_ptr failure;
  try {
    for (;;) {
      Buffer* buffer = nullptr;
      {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [&] { return stop_ || filled_ - taken_ + (holding_ ? 1 : 0) < ring_.size(); });
        if (stop_) break;
        buffer = &ring_[filled_ % ring_.size()];
      }
      buffer->used = 0;
      std::size_t got = 1;
      // A pipe hands out small pieces: gather them, or the two threads wake each other all the time.
      while (buffer->used < buffer->bytes.size() && got != 0) {
        got = origin_.read(buffer->bytes.data() + buffer->used, buffer->bytes.size() - buffer->used);
        buffer->used += got;
      }
      const std::lock_guard lock{mutex_};
      if (buffer->used != 0) ++filled_;
      if (got == 0) break;
      changed_.notify_all();
    }
  } catch (...) {
    failure = std::current_exception();
  }
  const std::lock_guard lock{mutex_};
  failure_ = failure;
  ended_ = true;
  changed_.notify_all();
}

std::string_view ReadAhead::next_chunk() {
  std::unique_lock lock{mutex_};
  if (holding_) {
    holding_ = false;
    changed_.notify_all();
  }
  changed_.wait(lock, [&] { return filled_ > taken_ || ended_; });
  if (filled_ > taken_) {
    const Buffer& buffer = ring_[taken_ % ring_.size()];
    ++taken_;
    holding_ = true;
    return {buffer.bytes.data(), buffer.used};
  }
  if (failure_) std::rethrow_exception(failure_);
  return {};
}

// ---- WrittenSource ----

class WrittenSource::Sink : public ByteSink {
 public:
  explicit Sink(WrittenSource& owner) : owner_(owner) {}
  void write(std::string_view bytes) override {
    buffer_.append(bytes);
    if (buffer_.size() >= owner_.buffer_bytes_) owner_.give(buffer_);
  }
  void flush() {
    if (!buffer_.empty()) owner_.give(buffer_);
  }

 private:
  WrittenSource& owner_;
  std::string buffer_;
};

WrittenSource::WrittenSource(std::function<void(ByteSink&)> writer, std::size_t buffer_bytes)
    : buffer_bytes_(buffer_bytes) {
  thread_ = std::thread{[this, writer = std::move(writer)] {
    std::exception_ptr failure;
    try {
      Sink sink{*this};
      writer(sink);
      sink.flush();
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard lock{mutex_};
    failure_ = failure;
    ended_ = true;
    changed_.notify_all();
  }};
}

WrittenSource::~WrittenSource() {
  {
    const std::lock_guard lock{mutex_};
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

/// On the writer's thread: its buffer goes, an empty one (with its memory) comes back.
void WrittenSource::give(std::string& bytes) {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return full_.empty() || stop_; });
  if (stop_) throw Error{ErrorKind::cancelled, "nobody reads any more"};
  full_.swap(bytes);
  changed_.notify_all();
}

std::size_t WrittenSource::read(char* buffer, std::size_t size) {
  if (given_ == current_.size()) {
    current_.clear();
    given_ = 0;
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return !full_.empty() || ended_; });
    if (full_.empty()) {
      if (failure_) std::rethrow_exception(failure_);
      return 0;
    }
    full_.swap(current_);
    changed_.notify_all();
  }
  const std::size_t count = std::min(size, current_.size() - given_);
  std::memcpy(buffer, current_.data() + given_, count);
  given_ += count;
  return count;
}

// ---- ParallelHashingSink ----

namespace {
constexpr std::size_t kParallelBytes = 128 << 10;  ///< less than that is hashed before the thread would be awake
}

ParallelHashingSink::~ParallelHashingSink() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock{mutex_};
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void ParallelHashingSink::run() {
  std::unique_lock lock{mutex_};
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || !pending_.empty(); });
    if (pending_.empty()) return;
    lock.unlock();
    std::exception_ptr failure;
    try {
      hash_.update(pending_);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    pending_ = {};
    failure_ = failure;
    changed_.notify_all();
  }
}

void ParallelHashingSink::wait_for_hash() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return pending_.empty(); });
}

void ParallelHashingSink::write(std::string_view bytes) {
  if (bytes.size() < kParallelBytes) {
    hash_.update(bytes);
    target_.write(bytes);
    return;
  }
  if (!thread_.joinable()) thread_ = std::thread{[this] { run(); }};
  {
    const std::lock_guard lock{mutex_};
    pending_ = bytes;
  }
  changed_.notify_all();
  try {
    target_.write(bytes);
  } catch (...) {
    wait_for_hash();  // the bytes are the caller's
    throw;
  }
  wait_for_hash();
  if (failure_) std::rethrow_exception(failure_);
}

// ---- small ones ----

void BufferedSink::write(std::string_view bytes) {
  if (buffer_.size() + bytes.size() > buffer_bytes_) flush();
  if (bytes.size() >= buffer_bytes_) {
    target_.write(bytes);
  } else {
    buffer_.append(bytes);
  }
}

bool BufferedSink::write_file(int fd, std::uint64_t offset, std::uint64_t size) {
  if (size < buffer_bytes_) return false;
  flush();
  return target_.write_file(fd, offset, size);
}

void BufferedSink::flush() {
  if (!buffer_.empty()) target_.write(buffer_);
  buffer_.clear();
}

std::size_t StringSource::read(char* buffer, std::size_t size) {
  const std::size_t count = std::min(size, rest_.size());
  std::memcpy(buffer, rest_.data(), count);
  rest_.remove_prefix(count);
  return count;
}

std::size_t FdSource::read(char* buffer, std::size_t size) {
  const auto got = sys::retry_on_eintr([&] { return ::read(fd_.get(), buffer, size); });
  if (got < 0) throw errno_error("read", "");
  return static_cast<std::size_t>(got);
}

void FdSink::write(std::string_view bytes) { sys::write_all(fd_, bytes); }

}  // namespace berth::archive
