#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "archive/tar_entry.h"
#include "base/core/stream.h"

namespace berth::archive {

/// Writes tar as a stream: plain ustar where the values fit, PAX records in front where they do not (long or non-ASCII
/// names, big numbers, fractions of seconds, xattrs), as Go's archive/tar does.
///
///   TarWriter tar{sink};
///   tar.add_dir("etc");
///   tar.add_file("etc/hostname", "web\n");
///   tar.add_symlink("bin", "usr/bin");
///   tar.finish();
class TarWriter {
 public:
  explicit TarWriter(ByteSink& target) : target_(target) {}

  /// Root's, time 0 unless changed.
  void set_time(TarTime time) { time_ = time; }
  void add_dir(const std::string& path, mode_t mode = 0755);
  void add_file(const std::string& path, std::string_view content, mode_t mode = 0644);
  void add_symlink(const std::string& path, const std::string& target);
  void add_hard_link(const std::string& path, const std::string& target);

  /// Any entry. A file's data follows by write(), entry.size bytes in all, before the next entry. `entry.sparse` is
  /// not looked at.
  void begin(const TarEntry& entry);
  void write(std::string_view data);
  /// `size` bytes of data from a file's start; false, and nothing written, where the target wants them by write().
  bool write_file(int fd, std::uint64_t size);
  /// The two blocks of zeros at the end; once.
  void finish();

 private:
  void end_entry();
  void write_header(const TarEntry& entry, char type, bool lossy);
  void write_records(const TarEntry& entry, const std::map<std::string, std::string>& records);
  void pad();

  ByteSink& target_;
  TarTime time_{};
  std::uint64_t left_ = 0;
  std::size_t padding_ = 0;
};

}  // namespace berth::archive
