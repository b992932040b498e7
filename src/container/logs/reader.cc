#include "container/logs/reader.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::container::logs {

namespace {

constexpr std::size_t kChunk = 128 << 10;
constexpr std::size_t kMaxLine = 8 << 20;  // an entry holds 16 KiB of output, at most six times that when escaped
constexpr int kMaxFiles = 1000;
constexpr std::size_t kMaxFrame = 32 << 10;  // what the stock client's copy buffer takes at once

std::optional<sys::UniqueFd> open_log(const std::string& path) {
  return sys::open_at_if_exists(sys::FdRef::cwd(), path, O_RDONLY);
}

ino_t inode_of(const sys::UniqueFd& fd) {
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) throw errno_error("fstat", "log");
  return info.st_ino;
}

ssize_t read_chunk(const sys::UniqueFd& fd, std::string& buffer) {
  const std::size_t had = buffer.size();
  buffer.resize(had + kChunk);
  const ssize_t got = sys::retry_on_eintr([&] { return ::read(fd.get(), buffer.data() + had, kChunk); });
  if (got < 0) throw errno_error("read", "log");
  buffer.resize(had + static_cast<std::size_t>(got));
  return got;
}

/// Goes back from the end of `fd` until `wanted` line ends have been passed, and leaves the offset behind the
/// last of them. Returns how many lines lie behind the offset.
std::int64_t seek_lines_from_end(const sys::UniqueFd& fd, std::int64_t wanted) {
  const off_t size = ::lseek(fd.get(), 0, SEEK_END);
  std::string block(64 << 10, '\0');
  std::int64_t seen = 0;
  for (off_t end = size; end > 0;) {
    const auto length = static_cast<std::size_t>(std::min<off_t>(end, static_cast<off_t>(block.size())));
    const off_t start = end - static_cast<off_t>(length);
    if (::pread(fd.get(), block.data(), length, start) != static_cast<ssize_t>(length)) break;
    for (std::size_t i = length; i-- > 0;) {
      if (block[i] != '\n') continue;
      // The line end at the very end closes the last line; each one before it closes the line before.
      if (seen == wanted) {
        ::lseek(fd.get(), start + static_cast<off_t>(i) + 1, SEEK_SET);
        return seen;
      }
      ++seen;
    }
    end = start;
  }
  ::lseek(fd.get(), 0, SEEK_SET);
  return seen;
}

void put_size(char* header, std::size_t size) {
  for (int i = 0; i < 4; ++i) header[4 + i] = static_cast<char>(size >> (24 - 8 * i));
}

std::size_t get_size(const char* header) {
  std::size_t size = 0;
  for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(header[4 + i]);
  return size;
}

/// The file's times have no zeros at their end (as Go writes JSON); `docker logs -t` shows nine decimals always.
std::string with_nine_decimals(std::string_view time) {
  std::string out{time};
  if (!out.ends_with('Z')) return out;  // another writer's zone: as it is
  out.pop_back();
  const std::size_t dot = out.find('.');
  const std::size_t decimals = dot == std::string::npos ? 0 : out.size() - dot - 1;
  if (dot == std::string::npos) out += '.';
  if (decimals < 9) out.append(9 - decimals, '0');
  return out + 'Z';
}

}  // namespace

Reader::Reader(std::string path, ReadOptions options) : path_(std::move(path)), options_(options) {
  if (options_.tail && *options_.tail < 0) options_.tail.reset();
}

std::string Reader::numbered(int number) const { return number == 0 ? path_ : cat(path_, '.', number); }

void Reader::open_first() {
  if (options_.tail) {
    seek_tail();
    return;
  }
  int oldest = 0;
  while (oldest < kMaxFiles && sys::exists(numbered(oldest + 1))) ++oldest;
  for (; oldest >= 0 && !file_; --oldest) {
    if (std::optional<sys::UniqueFd> file = open_log(numbered(oldest))) file_ = std::move(*file);
  }
}

void Reader::seek_tail() {
  std::int64_t wanted = *options_.tail;
  for (int number = 0; number < kMaxFiles; ++number) {
    std::optional<sys::UniqueFd> file = open_log(numbered(number));
    if (!file) break;
    file_ = std::move(*file);
    wanted -= seek_lines_from_end(file_, wanted);
    if (wanted <= 0) break;
  }
}

bool Reader::open_next() {
  const std::optional<sys::UniqueFd> current = open_log(path_);
  if (!current || inode_of(*current) == inode_of(file_)) return false;
  // Rotated since: what we read is PATH.n now, and PATH.(n-1) comes after it. If it has been dropped, the
  // oldest does.
  const ino_t here = inode_of(file_);
  int next = 0;
  for (int number = 1; number < kMaxFiles; ++number) {
    const std::optional<sys::UniqueFd> older = open_log(numbered(number));
    if (!older) break;
    next = number;
    if (inode_of(*older) == here) {
      next = number - 1;
      break;
    }
  }
  std::optional<sys::UniqueFd> file = open_log(numbered(next));
  if (!file) return false;
  file_ = std::move(*file);
  buffer_.clear();
  return true;
}

bool Reader::fill() {
  if (!file_) {
    opened_ = true;
    open_first();
    if (!file_) return false;
  }
  if (read_chunk(file_, buffer_) > 0) return true;
  // The writer may have put more into the old file just before it rotated: look once more after finding a new
  // one.
  struct stat info{};
  const off_t here = ::lseek(file_.get(), 0, SEEK_CUR);
  if (::fstat(file_.get(), &info) == 0 && info.st_size < here) {  // truncated by somebody: start again
    ::lseek(file_.get(), 0, SEEK_SET);
    buffer_.clear();
    return read_chunk(file_, buffer_) > 0;
  }
  const std::optional<sys::UniqueFd> current = open_log(path_);
  if (!current || inode_of(*current) == inode_of(file_)) return false;
  if (read_chunk(file_, buffer_) > 0) return true;
  return open_next() && read_chunk(file_, buffer_) > 0;
}

void Reader::take_line(std::string_view line, std::string& out) {
  scratch_.clear();
  const std::optional<Entry> entry = parse_entry(line, scratch_);
  if (!entry) return;
  if (options_.since && !since_reached_) {
    const std::optional<Time> time = parse_time(entry->time);
    if (time && *time < *options_.since) return;
    since_reached_ = true;  // times only grow within a log
  }
  if (options_.until) {
    const std::optional<Time> time = parse_time(entry->time);
    if (time && *time > *options_.until) {
      past_until_ = true;
      return;
    }
  }
  if (entry->stream == Stream::standard_output ? !options_.want_stdout : !options_.want_stderr) return;

  const std::string details = options_.details ? format_details(entry->attributes) + ' ' : std::string{};
  const std::string time = options_.timestamps ? with_nine_decimals(entry->time) + ' ' : std::string{};
  if (options_.framed) append_frame_header(out, entry->stream, time.size() + details.size() + entry->text.size());
  out.append(time).append(details).append(entry->text);
}

/// Spec: docker-engine-api-v1.51.yaml, ContainerAttach, "Stream format".
void Reader::append_frame_header(std::string& out, Stream stream, std::size_t size) {
  if (options_.coalesced && frame_stream_ == stream) {
    const std::size_t joined = get_size(&out[frame_at_]) + size;
    if (joined <= kMaxFrame) {
      put_size(&out[frame_at_], joined);
      return;
    }
  }
  frame_at_ = out.size();
  frame_stream_ = stream;
  char header[8] = {static_cast<char>(stream)};
  put_size(header, size);
  out.append(header, sizeof header);
}

std::string Reader::read() {
  std::string out;
  frame_stream_.reset();
  while (out.empty() && !past_until_ && fill()) {
    std::string_view rest = buffer_;
    out.reserve(rest.size());
    while (!past_until_) {
      const std::size_t end = rest.find('\n');
      if (end == std::string_view::npos) break;
      take_line(rest.substr(0, end), out);
      rest.remove_prefix(end + 1);
    }
    if (rest.size() > kMaxLine) rest = {};  // no line end in sight: not a log
    buffer_.erase(0, buffer_.size() - rest.size());
  }
  if (out.empty() && buffer_.empty()) {
    buffer_ = {};
    scratch_ = {};
  }
  return out;
}

Watch::Watch(const std::string& log_path) : inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  if (!inotify_) throw errno_error("inotify_init1", "");
  const std::string folder = log_path.substr(0, log_path.rfind('/'));
  if (::inotify_add_watch(inotify_.get(), folder.c_str(),
                          IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE_SELF) < 0) {
    throw errno_error("inotify_add_watch", folder);
  }
}

void Watch::drain() {
  char events[4096];
  while (sys::retry_on_eintr([&] { return ::read(inotify_.get(), events, sizeof events); }) > 0) {
  }
}

}  // namespace berth::container::logs
