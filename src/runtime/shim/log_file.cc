#include "runtime/shim/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "logfile/record.h"
#include "logfile/segments.h"

namespace berth::runtime::shim {
namespace {

constexpr std::size_t kBufferSize = 512 * 1024;

bool is_there(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

/// pread(2), as much as there is.
std::string read_part(sys::FdRef file, std::uint64_t from, std::size_t size) {
  std::string bytes(size, 0);
  const ssize_t got =
      sys::retry_on_eintr([&] { return ::pread(file.get(), bytes.data(), size, static_cast<off_t>(from)); });
  bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return bytes;
}

/// The entry of the `local` format that ends at `end`, "" if none does.
std::string record_before(sys::FdRef file, std::uint64_t end) {
  using logfile::kLengthSize;
  if (end < 2 * kLengthSize) return {};
  const std::string tail = read_part(file, end - kLengthSize, kLengthSize);
  if (tail.size() != kLengthSize) return {};
  std::size_t length = 0;
  for (const char byte : tail) length = length << 8 | static_cast<unsigned char>(byte);
  const std::size_t size = length + 2 * kLengthSize;
  if (length > logfile::kMaxRecord || size > end) return {};
  std::string record = read_part(file, end - size, size);
  return logfile::record_size(record) == size ? record : std::string{};
}

/// How much of a damaged file is whole entries.
std::uint64_t whole_size(sys::FdRef file, logfile::Format format, std::uint64_t size) {
  if (format == logfile::Format::json) {
    constexpr std::uint64_t kLongestEntry = 256 << 10;
    const std::uint64_t from = size - std::min(size, kLongestEntry);
    const std::string tail = read_part(file, from, size - from);
    return from + logfile::whole_entries(format, tail).size;
  }
  std::uint64_t at = 0;
  for (;;) {
    const std::string piece = read_part(file, at, 2 * logfile::kMaxRecord);
    const logfile::Whole whole = logfile::whole_entries(format, piece);
    at += whole.size;
    if (whole.size == 0 || whole.damaged) return at;
  }
}

}  // namespace

LogFile::LogFile(const LogTarget& target, logfile::Format format, Outside outside)
    : path_(target.path),
      helper_(target.helper_path),
      max_size_(target.max_size_bytes),
      max_files_(target.max_files),
      compress_(target.compress),
      format_(format),
      outside_(std::move(outside)),
      buffer_(kBufferSize) {
  open();
}

LogFile::~LogFile() { call_off_compression(); }

void LogFile::open() {
  file_.reset(::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  if (!file_) reason_ = errno;
  struct stat info{};
  file_size_ = file_ && ::fstat(file_.get(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
  if (file_size_ != 0) repair();
}

/// A power cut, or somebody else's hand, may have left half an entry at the end: what follows would be lost with it.
void LogFile::repair() {
  const bool whole = format_ == logfile::Format::json ? read_part(file_, file_size_ - 1, 1) == "\n"
                                                      : !record_before(file_, file_size_).empty();
  if (whole) return;
  const std::uint64_t keep = whole_size(file_, format_, file_size_);
  if (::ftruncate(file_.get(), static_cast<off_t>(keep)) == 0) file_size_ = keep;
}

std::string LogFile::last_entry() const {
  if (!file_ || format_ != logfile::Format::local) return {};
  return record_before(file_, file_size_);
}

void LogFile::make_room(std::size_t size) {
  flush();
  if (size > buffer_.size()) buffer_.grow(size);
}

void LogFile::flush() {
  if (used_ == 0) return;
  if (max_size_ != 0 && file_size_ >= max_size_) rotate();
  const std::string_view batch{buffer_.data(), std::exchange(used_, 0)};
  const std::size_t kept = write_whole(batch);
  if (kept < batch.size()) note_loss(batch.substr(kept), kept == 0);
  marked_ = 0;
}

/// How much of the batch has reached the file: whole entries.
std::size_t LogFile::write_whole(std::string_view batch) {
  if (!file_) open();
  if (!file_) return 0;  // its folder is gone or full; tried again with the next output
  std::size_t done = 0;
  while (done < batch.size()) {
    const ssize_t written =
        sys::retry_on_eintr([&] { return ::write(file_.get(), batch.data() + done, batch.size() - done); });
    if (written < 0) {
      reason_ = errno;
      break;
    }
    done += static_cast<std::size_t>(written);
  }
  if (done < batch.size() && done > 0) {
    // Half an entry would spoil the file for its readers: cut it off.
    const std::size_t keep = logfile::whole_entries(format_, batch.substr(0, done)).size;
    // Measured, since somebody else may have truncated the file meanwhile.
    struct stat info{};
    if (::fstat(file_.get(), &info) == 0 && info.st_size >= static_cast<off_t>(done - keep)) {
      [[maybe_unused]] const int cut = ::ftruncate(file_.get(), info.st_size - static_cast<off_t>(done - keep));
    }
    done = keep;
  }
  file_size_ += done;
  return done;
}

void LogFile::note_loss(std::string_view lost, bool marker_too) {
  std::uint64_t count = logfile::whole_entries(format_, lost).count;
  if (marker_too && marked_ != 0) {  // the entry that was to tell of an earlier loss
    --count;
    missing_ += marked_;
  }
  dropped_ += count;
  missing_ += count;
}

std::uint64_t LogFile::take_missing() {
  marked_ = std::exchange(missing_, 0);
  return marked_;
}

const char* LogFile::reason() const { return ::strerror(reason_); }

bool LogFile::next_rotation_drops() const {
  return max_files_ < 2 || is_there(logfile::segment_path(path_, static_cast<int>(max_files_) - 1)) ||
         is_there(logfile::compressed_path(path_, static_cast<int>(max_files_) - 1));
}

/// With one file only, that one begins anew.
void LogFile::rotate() {
  if (!file_) return;
  if (max_files_ < 2) {
    if (::ftruncate(file_.get(), 0) == 0) file_size_ = 0;
    ++rotations_;
    return;
  }
  const auto plain = [&](std::uint32_t number) { return logfile::segment_path(path_, static_cast<int>(number)); };
  const auto packed = [&](std::uint32_t number) { return logfile::compressed_path(path_, static_cast<int>(number)); };
  std::uint32_t last = 1;  // of those that are there: max-file may be any number
  while (last < max_files_ - 1 && (is_there(plain(last)) || is_there(packed(last)))) ++last;
  if (compression_ && compression_->number == last) call_off_compression();
  for (const std::string& dropped : {plain(last), packed(last)}) ::unlink(dropped.c_str());
  for (std::uint32_t i = last; i > 1; --i) {
    ::rename(plain(i - 1).c_str(), plain(i).c_str());
    ::rename(packed(i - 1).c_str(), packed(i).c_str());
  }
  ::rename(path_.c_str(), plain(1).c_str());
  if (compression_) ++compression_->number;
  ++rotations_;
  open();
  if (compress_) compress_next();
}

/// Starts with the newest: it is what a reader waits for least. Without the helper, files stay as they are.
void LogFile::compress_next() {
  if (compression_ || helper_.empty()) return;
  for (std::uint32_t number = 1; number < max_files_; ++number) {
    const std::string from = logfile::segment_path(path_, static_cast<int>(number));
    if (!is_there(from)) {
      if (!is_there(logfile::compressed_path(path_, static_cast<int>(number)))) return;
      continue;
    }
    const sys::UniqueFd input{::open(from.c_str(), O_RDONLY | O_CLOEXEC)};
    const sys::UniqueFd output{
        ::open(logfile::compressing_path(path_).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640)};
    if (!input || !output) return;
    try {
      born_outside(outside_, [&] {
        compression_.emplace(sys::spawn({.program = helper_,
                                         .arguments = {"berth-logger", "compress"},
                                         .environment = {},
                                         .descriptors = {{input.get(), 0}, {output.get(), 1}}}),
                             number);
      });
    } catch (const Error&) {
      ::unlink(logfile::compressing_path(path_).c_str());
    }
    return;
  }
}

bool LogFile::child_ended(pid_t pid, int status) {
  if (!compression_ || compression_->child.pid() != pid) return false;
  const auto number = static_cast<int>(compression_->number);
  (void)compression_->child.release();
  compression_.reset();
  const std::string done = logfile::compressing_path(path_);
  if (status == 0 && ::rename(done.c_str(), logfile::compressed_path(path_, number).c_str()) == 0) {
    ::unlink(logfile::segment_path(path_, number).c_str());
    compress_next();
  } else {
    ::unlink(done.c_str());  // a full disk, say; tried again with the next rotation
  }
  return true;
}

void LogFile::call_off_compression() {
  if (!compression_) return;
  compression_.reset();  // killed and reaped
  ::unlink(logfile::compressing_path(path_).c_str());
}

void LogFile::remove_files() {
  call_off_compression();
  for (int number = logfile::oldest_segment(path_); number >= 0; --number) {
    ::unlink(logfile::segment_path(path_, number).c_str());
    ::unlink(logfile::compressed_path(path_, number).c_str());
  }
}

}  // namespace berth::runtime::shim
