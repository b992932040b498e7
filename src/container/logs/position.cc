#include "container/logs/position.h"

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "base/core/error.h"
#include "logfile/record.h"

namespace berth::container::logs {
namespace {

using logfile::Format;
using logfile::kLengthSize;
using logfile::Segment;

constexpr std::size_t kBlock = 64 << 10;

/// A file seen from its end: pieces of it, out of blocks that are read backwards.
class Backwards {
 public:
  explicit Backwards(const sys::UniqueFd& fd) : fd_(fd) {}
  /// The bytes [from, from + size); shorter when they are not there.
  std::string_view piece(std::uint64_t from, std::size_t size) {
    if (from < start_ || from + size > start_ + block_.size()) {
      const std::size_t want = std::max(size, kBlock);
      start_ = from + size < want ? 0 : from + size - want;
      block_.resize(static_cast<std::size_t>(from + size - start_));
      const ssize_t got = sys::retry_on_eintr(
          [&] { return ::pread(fd_.get(), block_.data(), block_.size(), static_cast<off_t>(start_)); });
      block_.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    }
    const auto offset = static_cast<std::size_t>(from - start_);
    return offset > block_.size() ? std::string_view{} : std::string_view{block_}.substr(offset, size);
  }

 private:
  const sys::UniqueFd& fd_;
  std::string block_;
  std::uint64_t start_ = 0;
};

std::size_t length_in(std::string_view bytes) {
  std::size_t length = 0;
  for (const char byte : bytes) length = length << 8 | static_cast<unsigned char>(byte);
  return length;
}

TailStart seek_lines(Segment& segment, std::int64_t wanted) {
  Backwards file{segment.fd()};
  std::int64_t seen = 0;
  for (std::uint64_t end = segment.size(); end > 0;) {
    const std::size_t size = std::min<std::uint64_t>(end, kBlock);
    const std::string_view block = file.piece(end - size, size);
    if (block.size() != size) break;
    for (std::size_t i = size; i-- > 0;) {
      if (block[i] != '\n') continue;
      // The line end at the very end closes the last line; each one before it closes the line before.
      if (seen == wanted) {
        ::lseek(segment.fd().get(), static_cast<off_t>(end - size + i + 1), SEEK_SET);
        return {.found = seen};
      }
      ++seen;
    }
    end -= size;
  }
  ::lseek(segment.fd().get(), 0, SEEK_SET);
  return {.found = seen};
}

TailStart count_from_start(Segment& segment, Format format, std::int64_t wanted) {
  std::string buffer;
  std::int64_t count = 0;
  for (;;) {
    const std::size_t had = buffer.size();
    buffer.resize(had + kBlock);
    const std::size_t got = segment.read(buffer.data() + had, kBlock);
    buffer.resize(had + got);
    const logfile::Whole whole = logfile::whole_entries(format, buffer);
    count += static_cast<std::int64_t>(whole.count);
    if (got == 0 || whole.damaged || buffer.size() > (8 << 20)) break;
    buffer.erase(0, whole.size);
  }
  segment.rewind();
  return {.found = std::min(count, wanted), .skip = std::max<std::int64_t>(count - wanted, 0)};
}

TailStart seek_records(Segment& segment, std::int64_t wanted) {
  Backwards file{segment.fd()};
  std::uint64_t at = segment.size();
  std::int64_t seen = 0;
  while (seen < wanted && at > 0) {
    const std::size_t size =
        at < kLengthSize ? 0 : length_in(file.piece(at - kLengthSize, kLengthSize)) + 2 * kLengthSize;
    // Half an entry at the end, which is being written or was torn, or damage.
    if (size == 0 || size > at || length_in(file.piece(at - size, kLengthSize)) + 2 * kLengthSize != size) {
      return count_from_start(segment, Format::local, wanted);
    }
    at -= size;
    ++seen;
  }
  ::lseek(segment.fd().get(), static_cast<off_t>(at), SEEK_SET);
  return {.found = seen};
}

}  // namespace

TailStart seek_tail(Segment& segment, Format format, std::int64_t wanted) {
  if (segment.compressed()) return count_from_start(segment, format, wanted);
  return format == Format::json ? seek_lines(segment, wanted) : seek_records(segment, wanted);
}

}  // namespace berth::container::logs
