#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/sys/fd.h"
#include "runtime/shim/protocol.h"

namespace berth::runtime::shim {

/// Anonymous memory that costs nothing while it isn't touched, and nothing again after `release`.
class Buffer {
 public:
  explicit Buffer(std::size_t size) : size_(size) {}
  Buffer(Buffer&&) = delete;
  ~Buffer();
  char* data();  ///< maps it at first use
  std::size_t size() const { return size_; }
  void release();

 private:
  char* memory_ = nullptr;
  std::size_t size_;
};

enum class Stream : std::uint8_t { out = 1, err = 2 };

/// A container's log in the form of Docker's json-file driver:
///   {"log":"text\n","stream":"stdout","attrs":{…},"time":"2026-11-23T21:00:00.123456789Z"}
/// A line longer than 16 KiB is several entries, of which only the last one's text ends with \n. What can't be written
/// (a full disk) is dropped, whole entries at a time, and writing goes on as soon as it can.
class JsonLog {
 public:
  explicit JsonLog(const LogTarget& target);

  /// Takes what was read of a stream at once; `carry` keeps the begin of a line whose end has not come yet. The bytes
  /// reach the file before it returns.
  void append(Stream stream, std::string_view bytes, std::string& carry);
  /// The stream has ended: what is left in `carry` is an entry without \n.
  void finish(Stream stream, std::string& carry);

  void reopen();
  void release_memory() { buffer_.release(); }

 private:
  void entry(Stream stream, std::string_view text, bool whole_line);
  void reserve(std::size_t size);
  void flush();
  void write_out(const char* data, std::size_t size);
  void rotate();
  void open();
  void stamp();

  LogTarget target_;
  std::string suffix_[2];  ///< what follows the text, without the time; for stdout and stderr
  std::string ending_[2];  ///< the same with this batch's time
  Buffer buffer_;
  std::size_t used_ = 0;
  std::uint64_t file_size_ = 0;
  sys::UniqueFd file_;
};

}  // namespace berth::runtime::shim
