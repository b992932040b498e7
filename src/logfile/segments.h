#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/sys/fd.h"

/// The files of one log: PATH is being written, PATH.1 was before it, PATH.2 before that. A rotated one may be
/// compressed (PATH.2.gz) at any moment; it keeps its time of modification then, and by that it is known again.
namespace berth::logfile {

inline constexpr int kMaxSegments = 1000;  ///< readers look for no more

std::string segment_path(const std::string& log_path, int number);
std::string compressed_path(const std::string& log_path, int number);
/// While it is written.
std::string compressing_path(const std::string& log_path);
/// Number of the oldest segment; 0 when there is only PATH, or nothing.
int oldest_segment(const std::string& log_path);

/// One of them, open for reading from its start.
class Segment {
 public:
  /// nullopt: there is no such file.
  static std::optional<Segment> open(const std::string& log_path, int number);
  Segment(Segment&&) noexcept;
  Segment& operator=(Segment&&) noexcept;
  ~Segment();

  /// Up to `size` bytes; 0 at its present end. A damaged compressed file ends early. Throws system.
  std::size_t read(char* buffer, std::size_t size);
  /// Reads again from the start.
  void rewind();
  bool compressed() const { return inflater_ != nullptr; }
  const sys::UniqueFd& fd() const { return fd_; }
  bool is(const Segment& other) const;  ///< the same file
  /// Whether one may be the other, compressed since: it keeps the time.
  bool is_other_form_of(const Segment& other) const;
  /// Bytes on the disk now.
  std::uint64_t size() const;

 private:
  class Inflater;
  Segment(sys::UniqueFd fd, bool compressed);
  sys::UniqueFd fd_;
  std::unique_ptr<Inflater> inflater_;
};

/// Number of the segment that `here` is now; nullopt when it has been dropped.
std::optional<int> find_segment(const std::string& log_path, const Segment& here);
/// The segment that was written after `here`; the oldest if `here` has been dropped; nullopt if there is no later one.
std::optional<Segment> segment_after(const std::string& log_path, const Segment& here);

}  // namespace berth::logfile
