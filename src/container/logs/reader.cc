#include "container/logs/reader.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/core/error.h"
#include "base/core/text.h"
#include "container/logs/position.h"
#include "logfile/record.h"

namespace berth::container::logs {

namespace {

using logfile::Segment;

constexpr std::size_t kChunk = 128 << 10;
constexpr std::size_t kMaxEntry = 8 << 20;   // one holds 16 KiB of output, at most six times that when escaped
constexpr std::size_t kMaxFrame = 32 << 10;  // what the stock client's copy buffer takes at once

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

std::optional<Time> time_of(const Entry& entry) {
  if (entry.time_ns) return Time{std::chrono::nanoseconds{*entry.time_ns}};
  return parse_time(entry.time);
}

std::string shown_time(const Entry& entry) {
  if (entry.time_ns) return format_time_fixed(Time{std::chrono::nanoseconds{*entry.time_ns}});
  return with_nine_decimals(entry.time);
}

std::string details_of(const Entry& entry) {
  return entry.time_ns ? format_details(logfile::decode_attributes(entry.attributes))
                       : format_details(entry.attributes);
}

/// Between two steps of a rotation there is none: whoever took that for the end would miss what was written last.
std::optional<Segment> open_current(const std::string& path) {
  constexpr int kAttempts = 100;
  std::optional<Segment> current = Segment::open(path, 0);
  for (int attempt = 0; !current && attempt < kAttempts; ++attempt) {
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
    current = Segment::open(path, 0);
  }
  return current;
}

Time modified(const Segment& segment) {
  struct stat info{};
  if (::fstat(segment.fd().get(), &info) != 0) throw errno_error("fstat", "log");
  return Time{std::chrono::seconds{info.st_mtim.tv_sec} + std::chrono::nanoseconds{info.st_mtim.tv_nsec}};
}

}  // namespace

Reader::Reader(std::string path, logfile::Format format, ReadOptions options)
    : path_(std::move(path)), format_(format), options_(options) {
  if (options_.tail && *options_.tail < 0) options_.tail.reset();
}

void Reader::open_first() {
  if (options_.tail) return seek_tail();
  for (int number = logfile::oldest_segment(path_); number >= 0; --number) {
    file_ = Segment::open(path_, number);
    // What was last written to before `since` holds nothing of interest.
    if (file_ && (number == 0 || !options_.since || modified(*file_) >= *options_.since)) return;
  }
}

void Reader::seek_tail() {
  std::int64_t wanted = *options_.tail;
  for (int number = 0, seen = 0; number < logfile::kMaxSegments && number <= seen + 2; ++number) {
    std::optional<Segment> segment = Segment::open(path_, number);
    if (!segment) continue;  // a rotation under way
    seen = number;
    const TailStart start = logs::seek_tail(*segment, format_, wanted);
    wanted -= start.found;
    skip_ = start.skip;
    file_ = std::move(segment);
    if (wanted <= 0) break;
  }
}

bool Reader::open_next() {
  std::optional<Segment> next = logfile::segment_after(path_, *file_);
  if (!next) return false;
  file_ = std::move(next);
  buffer_.clear();
  return true;
}

bool Reader::read_chunk() {
  const std::size_t had = buffer_.size();
  buffer_.resize(had + kChunk);
  const std::size_t got = file_->read(buffer_.data() + had, kChunk);
  buffer_.resize(had + got);
  return got > 0;
}

bool Reader::truncated() {
  if (file_->compressed()) return false;
  const off_t here = ::lseek(file_->fd().get(), 0, SEEK_CUR);
  return static_cast<off_t>(file_->size()) < here;
}

bool Reader::fill() {
  if (!file_) {
    open_first();
    if (!file_) return false;
  }
  if (read_chunk()) return true;
  if (truncated()) {  // by somebody, or it is the only file and began anew
    file_->rewind();
    buffer_.clear();
    return read_chunk();
  }
  const std::optional<Segment> current = open_current(path_);
  if (!current || current->is(*file_)) return false;
  // The writer may have put more into the old file just before it rotated.
  if (read_chunk()) return true;
  return open_next() && read_chunk();
}

void Reader::take(const Entry& entry, std::string& out) {
  if (options_.since && !since_reached_) {
    const std::optional<Time> time = time_of(entry);
    if (time && *time < *options_.since) return;
    since_reached_ = true;  // times only grow within a log
  }
  if (options_.until) {
    const std::optional<Time> time = time_of(entry);
    if (time && *time > *options_.until) {
      past_until_ = true;
      return;
    }
  }
  if (entry.stream == Stream::out ? !options_.want_stdout : !options_.want_stderr) return;

  const std::string details = options_.details ? details_of(entry) + ' ' : std::string{};
  const std::string time = options_.timestamps ? shown_time(entry) + ' ' : std::string{};
  if (options_.framed) append_frame_header(out, entry.stream, time.size() + details.size() + entry.text.size());
  out.append(time).append(details).append(entry.text);
}

void Reader::take_lines(std::string_view& rest, std::string& out) {
  while (!past_until_) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) return;
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (skip_ > 0 && skip_-- > 0) continue;
    scratch_.clear();
    if (const std::optional<Entry> entry = parse_entry(line, scratch_)) take(*entry, out);
  }
}

void Reader::take_records(std::string_view& rest, std::string& out) {
  while (!past_until_) {
    const std::optional<std::size_t> size = logfile::record_size(rest);
    if (!size) {  // damaged: there is no way to find the next entry of this file
      rest = {};
      ::lseek(file_->fd().get(), 0, SEEK_END);
      return;
    }
    if (*size == 0) return;
    const std::optional<logfile::Record> record = logfile::decode(rest.substr(0, *size));
    rest.remove_prefix(*size);
    if (!record || (skip_ > 0 && skip_-- > 0)) continue;
    const bool line_ends = !record->partial || record->partial->last;
    scratch_.assign(record->line);
    if (line_ends) scratch_ += '\n';
    take({.stream = record->stream,
          .time = {},
          .time_ns = record->time_ns,
          .text = scratch_,
          .attributes = record->attributes},
         out);
  }
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
    format_ == logfile::Format::json ? take_lines(rest, out) : take_records(rest, out);
    if (rest.size() > kMaxEntry) rest = {};  // no end in sight: not a log
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
