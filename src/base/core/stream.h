#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
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
  /// `size` bytes of the file `fd` from `offset` on, without their passing through this process; zeros for what the
  /// file lacks meanwhile. False, and nothing written, where that cannot be or does not pay: read and write() them.
  virtual bool write_file(int /*fd*/, std::uint64_t /*offset*/, std::uint64_t /*size*/) { return false; }
};

/// A source that waits for somebody else, a client: anybody can end the waiting.
class StoppableSource : public ByteSource {
 public:
  virtual void fail(std::exception_ptr error) = 0;  ///< the next read(), also one that waits, throws it
};

class StoppableSink : public ByteSink {
 public:
  virtual void abandon() = 0;  ///< nobody takes any more: the next write(), also one that waits, throws cancelled
};

}  // namespace berth
