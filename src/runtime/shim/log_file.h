#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/sys/fd.h"
#include "base/sys/process.h"
#include "logfile/format.h"
#include "runtime/shim/buffer.h"
#include "runtime/shim/log.h"

namespace berth::runtime::shim {

/// The file that a log is written to, with its rotation: PATH.1 is the newest of the old ones. Entries are collected
/// and reach the file with flush(); what can't be written (a full disk) is dropped, whole entries at a time, and
/// writing goes on as soon as it can. Rotated files are compressed by a helper process, one at a time, while writing
/// goes on.
class LogFile {
 public:
  LogFile(const LogTarget& target, logfile::Format format, Outside outside);
  ~LogFile();

  /// Room for one entry of at most `size` bytes.
  char* room(std::size_t size) {
    if (used_ + size > buffer_.size()) make_room(size);
    return buffer_.data() + used_;
  }
  /// The entry is written up to here.
  void took(const char* end) {
    used_ = static_cast<std::size_t>(end - buffer_.data());
    if (max_size_ != 0 && file_size_ + used_ >= max_size_) flush();
  }
  void flush();

  std::uint64_t dropped() const { return dropped_; }
  /// Entries that are missing and not accounted for in the log; the next entry is going to say so.
  std::uint64_t take_missing();
  const char* reason() const;  ///< of the last loss

  void reopen() { open(); }
  void release_memory() { buffer_.release(); }
  bool child_ended(pid_t pid, int status);
  /// Whether the next rotation drops a file; and how often it was rotated.
  bool next_rotation_drops() const;
  std::uint64_t rotations() const { return rotations_; }
  /// The last whole entry that was there when the file was opened; "" if none.
  std::string last_entry() const;
  void remove_files();

 private:
  struct Compression {
    sys::Child child;
    std::uint32_t number = 0;  ///< of the file that is compressed, now
  };
  void make_room(std::size_t size);
  void open();
  void repair();
  std::size_t write_whole(std::string_view batch);
  void note_loss(std::string_view lost, bool marker_too);
  void rotate();
  void compress_next();
  void call_off_compression();

  std::string path_, helper_;
  std::uint64_t max_size_;
  std::uint32_t max_files_;
  bool compress_;
  logfile::Format format_;
  Outside outside_;
  Buffer buffer_;
  std::size_t used_ = 0;
  std::uint64_t file_size_ = 0;
  sys::UniqueFd file_;
  std::optional<Compression> compression_;
  std::uint64_t dropped_ = 0, missing_ = 0, marked_ = 0, rotations_ = 0;
  int reason_ = 0;
};

}  // namespace berth::runtime::shim
