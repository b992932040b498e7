#include "logsink/follower.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/error.h"

namespace berth::logsink {
namespace {

using logfile::Segment;

constexpr std::size_t kChunk = 64 << 10;
constexpr std::size_t kLastPart = 128 << 10;  // holds the last entry of a file, and more

/// Number of the first whole entry; nullopt when there is none (yet).
std::optional<std::uint64_t> first_number(Segment& segment) {
  std::string bytes(kChunk, 0);
  bytes.resize(segment.read(bytes.data(), bytes.size()));
  segment.rewind();
  const std::optional<std::size_t> size = logfile::record_size(bytes);
  if (!size || *size == 0) return std::nullopt;
  const auto record = logfile::decode(std::string_view{bytes}.substr(0, *size));
  return record ? std::optional{record->number} : std::nullopt;
}

/// Number of the last entry of a plain file; 0 when it can't be told.
std::uint64_t last_number(const std::string& path) {
  const sys::UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat info{};
  if (!fd || ::fstat(fd.get(), &info) != 0) return 0;
  const auto size = static_cast<std::uint64_t>(info.st_size);
  std::string part(std::min<std::uint64_t>(size, kLastPart), 0);
  const auto from = static_cast<off_t>(size - part.size());
  if (::pread(fd.get(), part.data(), part.size(), from) != static_cast<ssize_t>(part.size())) return 0;
  if (part.size() < 2 * logfile::kLengthSize) return 0;
  std::size_t length = 0;
  for (const char byte : part.substr(part.size() - logfile::kLengthSize)) {
    length = length << 8 | static_cast<unsigned char>(byte);
  }
  const std::size_t whole = length + 2 * logfile::kLengthSize;
  if (whole > part.size()) return 0;
  const std::string_view bytes = std::string_view{part}.substr(part.size() - whole);
  if (logfile::record_size(bytes) != whole) return 0;
  const auto record = logfile::decode(bytes);
  return record ? record->number : 0;
}

}  // namespace

Follower::Follower(std::string log_path, std::uint64_t next)
    : path_(std::move(log_path)), next_(next), inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  if (!inotify_) throw errno_error("inotify_init1", "");
}

/// The newest segment that begins at or before the position.
void Follower::open_first() {
  const int oldest = logfile::oldest_segment(path_);
  for (int number = 0; number <= oldest; ++number) {
    std::optional<Segment> segment = Segment::open(path_, number);
    if (!segment) continue;
    const std::optional<std::uint64_t> first = first_number(*segment);
    if ((first && *first <= next_) || number == oldest) return enter(std::move(*segment));
  }
}

void Follower::enter(Segment segment) {
  file_ = std::move(segment);
  buffer_.clear();
  at_ = 0;
  consumed_bytes_ = 0;
  entered_ = true;
}

bool Follower::fill() {
  if (!file_) {
    open_first();
    if (!file_) return false;
  }
  buffer_.erase(0, std::exchange(at_, 0));
  const auto read_more = [&] {
    const std::size_t had = buffer_.size();
    buffer_.resize(had + kChunk);
    const std::size_t got = file_->read(buffer_.data() + had, kChunk);
    buffer_.resize(had + got);
    return got > 0;
  };
  if (read_more()) return true;
  if (!file_->compressed() && file_->size() < consumed_bytes_) {  // the only file, which began anew
    file_->rewind();
    enter(std::move(*file_));
    return read_more();
  }
  const std::optional<Segment> current = Segment::open(path_, 0);
  if (!current || current->is(*file_)) return false;
  if (read_more()) return true;  // written just before it was rotated
  std::optional<Segment> after = logfile::segment_after(path_, *file_);
  if (!after) return false;
  enter(std::move(*after));
  return read_more();
}

std::optional<logfile::Record> Follower::next() {
  for (;;) {
    const std::string_view rest = std::string_view{buffer_}.substr(at_);
    const std::optional<std::size_t> size = logfile::record_size(rest);
    if (!size) {  // damaged: there is no way to find the next entry of this file
      buffer_.clear();
      at_ = 0;
      std::string scratch(kChunk, 0);
      while (file_->read(scratch.data(), scratch.size()) > 0) {
      }
      if (!fill()) return std::nullopt;
      continue;
    }
    if (*size == 0) {
      if (!fill()) return std::nullopt;
      continue;
    }
    at_ += *size;
    consumed_bytes_ += *size;
    const std::optional<logfile::Record> record = logfile::decode(rest.substr(0, *size));
    if (!record || record->number < next_) continue;
    gap_ = record->number - next_;
    gap_by_rotation_ = gap_ != 0 && std::exchange(entered_, false);
    entered_ = false;
    next_ = record->number + 1;
    return record;
  }
}

std::uint64_t Follower::backlog_bytes() const {
  if (!file_) return 0;
  std::uint64_t bytes = file_->size() - std::min(consumed_bytes_, file_->size());
  const std::optional<int> here = logfile::find_segment(path_, *file_);
  for (int number = 0; here && number < *here; ++number) {
    if (const std::optional<Segment> newer = Segment::open(path_, number)) bytes += newer->size();
  }
  return bytes;
}

std::uint64_t Follower::backlog_entries() const {
  const std::uint64_t last = last_number(path_);
  return last < next_ ? 0 : last + 1 - next_;
}

/// Watches the file that is written now. False when that is another one than before: then there is more to read.
bool Follower::watch() {
  struct stat info{};
  if (::stat(path_.c_str(), &info) != 0) return true;
  if (info.st_ino == watched_inode_) return true;
  if (::inotify_add_watch(inotify_.get(), path_.c_str(), IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF) < 0) return true;
  watched_inode_ = info.st_ino;
  return false;
}

void Follower::wait(sys::FdRef other, int timeout_ms) {
  if (!watch()) return;
  pollfd waiting[2] = {{inotify_.get(), POLLIN, 0}, {other.get(), POLLIN, 0}};
  (void)::poll(waiting, 2, timeout_ms);
  char events[4096];
  while (sys::retry_on_eintr([&] { return ::read(inotify_.get(), events, sizeof events); }) > 0) {
  }
}

}  // namespace berth::logsink
