#pragma once

#include <cstddef>
#include <string_view>

namespace berth {

/// Bytes to be read by code that may block.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Fills up to `size` (> 0) bytes and returns how many; 0 only at the end. Throws Error when the origin
  /// failed.
  virtual std::size_t read(char* buffer, std::size_t size) = 0;
};

/// Takes bytes from code that may block.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual void write(std::string_view bytes) = 0;  ///< all of them, or throws
};

}  // namespace berth
