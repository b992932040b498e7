#include "runtime/shim/json_log.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/core/time.h"
#include "runtime/shim/json_escape.h"

namespace berth::runtime::shim {
namespace {

constexpr std::size_t kLineLimit = 16 * 1024;  // moby daemon/logger/copier.go, defaultBufSize
constexpr std::string_view kHead = R"({"log":")";
constexpr std::size_t kBufferSize = 512 * 1024;

}  // namespace

Buffer::~Buffer() {
  if (memory_ != nullptr) ::munmap(memory_, size_);
}

char* Buffer::data() {
  if (memory_ == nullptr) {
    void* memory = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw errno_error("mmap", "buffer");
    memory_ = static_cast<char*>(memory);
  }
  return memory_;
}

void Buffer::release() {
  if (memory_ != nullptr) ::madvise(memory_, size_, MADV_DONTNEED);
}

JsonLog::JsonLog(const LogTarget& target) : target_(target), buffer_(kBufferSize) {
  const std::string attributes =
      target.attributes_json.empty() ? std::string{} : cat(R"("attrs":)", target.attributes_json, ',');
  suffix_[0] = cat(R"(","stream":"stdout",)", attributes, R"("time":")");
  suffix_[1] = cat(R"(","stream":"stderr",)", attributes, R"("time":")");
  target_.attributes_json = {};
  open();
}

void JsonLog::open() {
  file_.reset(::open(target_.path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  struct stat info{};
  file_size_ = file_ && ::fstat(file_.get(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

void JsonLog::reopen() { open(); }

/// The clock is read once for all that came together.
void JsonLog::stamp() {
  const std::string time = format_time(now());
  for (int i = 0; i < 2; ++i) ending_[i] = cat(suffix_[i], time, "\"}\n");
}

void JsonLog::append(Stream stream, std::string_view bytes, std::string& carry) {
  stamp();
  while (!bytes.empty()) {
    if (!carry.empty()) {  // complete the line that was begun before
      const std::size_t end = bytes.find('\n');
      const std::size_t piece = std::min({end, bytes.size(), kLineLimit - carry.size()});
      carry.append(bytes.substr(0, piece));
      bytes.remove_prefix(piece);
      const bool full = carry.size() == kLineLimit;  // as in Docker even if a newline is the very next byte
      if (!full && bytes.empty()) break;
      entry(stream, carry, !full);
      std::string{}.swap(carry);
      if (!full) bytes.remove_prefix(1);
      continue;
    }
    reserve(kMaxEscape * kLineLimit + 2 * ending_[0].size() + kHead.size() + kEscapeSlack);
    const std::size_t window = std::min(bytes.size(), kLineLimit);
    char* const begin = buffer_.data() + used_;
    std::memcpy(begin, kHead.data(), kHead.size());
    const Escaped done = escape_line(bytes.data(), bytes.data() + window, begin + kHead.size());
    const auto taken = static_cast<std::size_t>(done.in - bytes.data());
    const bool line_ends = taken < window;
    if (!line_ends && window < kLineLimit) {  // the rest of the line is still to come
      carry.assign(bytes);
      break;
    }
    char* out = done.out;
    if (line_ends) {
      *out++ = '\\';
      *out++ = 'n';
    }
    const std::string& ending = ending_[stream == Stream::err];
    std::memcpy(out, ending.data(), ending.size());
    used_ = static_cast<std::size_t>(out + ending.size() - buffer_.data());
    bytes.remove_prefix(taken + (line_ends ? 1 : 0));
    if (target_.max_size_bytes != 0 && file_size_ + used_ >= target_.max_size_bytes) flush();
  }
  flush();
}

void JsonLog::finish(Stream stream, std::string& carry) {
  if (carry.empty()) return;
  stamp();
  entry(stream, carry, false);
  std::string{}.swap(carry);
  flush();
}

void JsonLog::entry(Stream stream, std::string_view text, bool whole_line) {
  const std::string& ending = ending_[stream == Stream::err];
  reserve(kMaxEscape * text.size() + 2 * ending.size() + kHead.size() + kEscapeSlack);
  char* out = buffer_.data() + used_;
  out = static_cast<char*>(::mempcpy(out, kHead.data(), kHead.size()));
  out = escape_line(text.data(), text.data() + text.size(), out).out;
  if (whole_line) out = static_cast<char*>(::mempcpy(out, "\\n", 2));
  out = static_cast<char*>(::mempcpy(out, ending.data(), ending.size()));
  used_ = static_cast<std::size_t>(out - buffer_.data());
}

void JsonLog::reserve(std::size_t size) {
  if (used_ + size > buffer_.size()) flush();
}

void JsonLog::flush() {
  if (used_ == 0) return;
  if (target_.max_size_bytes != 0 && file_size_ >= target_.max_size_bytes) rotate();
  write_out(buffer_.data(), std::exchange(used_, 0));
}

void JsonLog::write_out(const char* data, std::size_t size) {
  if (!file_) open();
  if (!file_) return;  // its folder is gone or full: dropped, and tried again with the next output
  std::size_t done = 0;
  while (done < size) {
    const ssize_t written = sys::retry_on_eintr([&] { return ::write(file_.get(), data + done, size - done); });
    if (written < 0) break;
    done += static_cast<std::size_t>(written);
  }
  if (done < size && done > 0) {
    // Half an entry would spoil the file for its readers: cut it off.
    const void* last = ::memrchr(data, '\n', done);
    const std::size_t keep = last == nullptr ? 0 : static_cast<std::size_t>(static_cast<const char*>(last) - data) + 1;
    // Measured, since somebody else may have truncated the file meanwhile.
    struct stat info{};
    if (::fstat(file_.get(), &info) == 0 && info.st_size >= static_cast<off_t>(done - keep)) {
      [[maybe_unused]] const int cut = ::ftruncate(file_.get(), info.st_size - static_cast<off_t>(done - keep));
    }
    done = keep;
  }
  file_size_ += done;
}

/// PATH.1 is the newest of the old ones; with one file only, that one begins anew.
void JsonLog::rotate() {
  if (target_.max_files < 2) {
    if (::ftruncate(file_.get(), 0) == 0) file_size_ = 0;
    return;
  }
  std::uint32_t last = 1;  // of those that are there: max-file may be any number
  while (last < target_.max_files - 1 && ::access(cat(target_.path, '.', last).c_str(), F_OK) == 0) ++last;
  for (std::uint32_t i = last; i > 1; --i) {
    ::rename(cat(target_.path, '.', i - 1).c_str(), cat(target_.path, '.', i).c_str());
  }
  ::rename(target_.path.c_str(), cat(target_.path, ".1").c_str());
  open();
}

}  // namespace berth::runtime::shim
