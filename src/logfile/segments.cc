#include "logfile/segments.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::logfile {
namespace {

constexpr std::size_t kInput = 32 << 10;
constexpr int kGzip = 15 + 16;  // window bits, and a gzip header

struct stat info_of(const sys::UniqueFd& fd) {
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) throw errno_error("fstat", "log");
  return info;
}

}  // namespace

class Segment::Inflater {
 public:
  Inflater() {
    if (::inflateInit2(&stream_, kGzip) != Z_OK) throw system_error("inflateInit2: out of memory");
  }
  Inflater(Inflater&&) = delete;
  ~Inflater() { ::inflateEnd(&stream_); }

  std::size_t read(sys::FdRef fd, char* buffer, std::size_t size) {
    stream_.next_out = reinterpret_cast<Bytef*>(buffer);
    stream_.avail_out = static_cast<uInt>(size);
    while (stream_.avail_out == size && !over_) {
      if (stream_.avail_in == 0 && !refill(fd)) break;
      const int result = ::inflate(&stream_, Z_NO_FLUSH);
      over_ = result != Z_OK && result != Z_BUF_ERROR;
    }
    return size - stream_.avail_out;
  }

 private:
  bool refill(sys::FdRef fd) {
    input_.resize(kInput);
    const ssize_t got = sys::retry_on_eintr([&] { return ::read(fd.get(), input_.data(), input_.size()); });
    if (got < 0) throw errno_error("read", "log");
    stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
    stream_.avail_in = static_cast<uInt>(got);
    return got > 0;
  }
  z_stream stream_{};
  std::string input_;
  bool over_ = false;
};

std::string segment_path(const std::string& log_path, int number) {
  return number == 0 ? log_path : cat(log_path, '.', number);
}

std::string compressed_path(const std::string& log_path, int number) {
  return cat(segment_path(log_path, number), ".gz");
}

std::string compressing_path(const std::string& log_path) { return cat(log_path, ".compressing"); }

/// A rotation pushes the files on one after the other, the oldest first: while it is at it, one number is missing.
int oldest_segment(const std::string& log_path) {
  int oldest = 0;
  for (int number = 1; number <= kMaxSegments && number <= oldest + 2; ++number) {
    if (sys::exists(segment_path(log_path, number)) || sys::exists(compressed_path(log_path, number))) oldest = number;
  }
  return oldest;
}

Segment::Segment(sys::UniqueFd fd, bool compressed) : fd_(std::move(fd)) {
  if (compressed) inflater_ = std::make_unique<Inflater>();
}
Segment::Segment(Segment&&) noexcept = default;
Segment& Segment::operator=(Segment&&) noexcept = default;
Segment::~Segment() = default;

std::optional<Segment> Segment::open(const std::string& log_path, int number) {
  // Plain, then compressed, then plain again: it may be compressed, or pushed on by a rotation, right now.
  for (const bool compressed : {false, true, false}) {
    if (compressed && number == 0) continue;
    const std::string path = compressed ? compressed_path(log_path, number) : segment_path(log_path, number);
    std::optional<sys::UniqueFd> fd = sys::open_at_if_exists(sys::FdRef::cwd(), path, O_RDONLY);
    if (fd) return Segment{std::move(*fd), compressed};
  }
  return std::nullopt;
}

std::size_t Segment::read(char* buffer, std::size_t size) {
  if (inflater_) return inflater_->read(fd_, buffer, size);
  const ssize_t got = sys::retry_on_eintr([&] { return ::read(fd_.get(), buffer, size); });
  if (got < 0) throw errno_error("read", "log");
  return static_cast<std::size_t>(got);
}

void Segment::rewind() {
  if (::lseek(fd_.get(), 0, SEEK_SET) != 0) throw errno_error("lseek", "log");
  if (inflater_) inflater_ = std::make_unique<Inflater>();
}

bool Segment::is(const Segment& other) const {
  const struct stat mine = info_of(fd_), theirs = info_of(other.fd_);
  return mine.st_dev == theirs.st_dev && mine.st_ino == theirs.st_ino;
}

bool Segment::is_other_form_of(const Segment& other) const {
  const struct stat mine = info_of(fd_), theirs = info_of(other.fd_);
  return compressed() != other.compressed() && mine.st_mtim.tv_sec == theirs.st_mtim.tv_sec &&
         mine.st_mtim.tv_nsec == theirs.st_mtim.tv_nsec;
}

std::uint64_t Segment::size() const { return static_cast<std::uint64_t>(info_of(fd_).st_size); }

/// By its inode; else, since compressing gives a file another one, by its time, which several files of a fast log
/// share.
std::optional<int> find_segment(const std::string& log_path, const Segment& here) {
  std::optional<int> other_form;
  for (int number = 0, seen = 0; number <= kMaxSegments && number <= seen + 2; ++number) {
    const std::optional<Segment> other = Segment::open(log_path, number);
    if (!other) continue;
    seen = number;
    if (other->is(here)) return number;
    if (number > 0 && !other_form && other->is_other_form_of(here)) other_form = number;
  }
  return other_form;
}

std::optional<Segment> segment_after(const std::string& log_path, const Segment& here) {
  for (;;) {
    const std::optional<int> number = find_segment(log_path, here);
    if (number == 0) return std::nullopt;
    std::optional<Segment> next = Segment::open(log_path, number ? *number - 1 : oldest_segment(log_path));
    if (find_segment(log_path, here) == number) return next;  // otherwise the log was rotated just now
  }
}

}  // namespace berth::logfile
