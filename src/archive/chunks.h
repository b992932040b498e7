#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "archive/digest.h"
#include "base/core/stream.h"
#include "base/sys/fd.h"

namespace berth::archive {

/// A source that lends its own buffer, so that big payloads go from it to a file without another copy.
class ChunkSource {
 public:
  virtual ~ChunkSource() = default;
  /// The next bytes, valid until the next call; empty only at the end.
  virtual std::string_view next_chunk() = 0;
};

/// Any ByteSource, read a buffer at a time.
class BufferedChunks : public ChunkSource {
 public:
  explicit BufferedChunks(ByteSource& origin, std::size_t buffer_bytes = 64 << 10);
  std::string_view next_chunk() override;

 private:
  ByteSource& origin_;
  std::string buffer_;
};

/// Reads a source on a thread of its own, a few buffers ahead of the consumer: decompression and hashing go on while
/// files are written. The source belongs to that thread until the destructor returns, which waits for the read that
/// is under way.
class ReadAhead : public ChunkSource {
 public:
  explicit ReadAhead(ByteSource& origin, std::size_t buffer_bytes = 512 << 10, std::size_t buffers = 4);
  ~ReadAhead() override;
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;
  /// Throws what the source threw.
  std::string_view next_chunk() override;

 private:
  struct Buffer {
    std::string bytes;
    std::size_t used = 0;
  };
  void run();

  ByteSource& origin_;
  std::vector<Buffer> ring_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t filled_ = 0, taken_ = 0;  ///< counts of buffers; taken_ includes the one lent to the consumer
  bool holding_ = false, ended_ = false, stop_ = false;
  std::exception_ptr failure_;
  std::thread thread_;
};

/// What a function writes, as a source to read from: it runs on a thread of its own, a few buffers ahead. The
/// destructor makes its next write() throw and waits for it.
class WrittenSource : public ByteSource {
 public:
  explicit WrittenSource(std::function<void(ByteSink&)> writer, std::size_t buffer_bytes = 512 << 10);
  ~WrittenSource() override;
  WrittenSource(const WrittenSource&) = delete;
  WrittenSource& operator=(const WrittenSource&) = delete;
  /// Throws what the function threw.
  std::size_t read(char* buffer, std::size_t size) override;

 private:
  class Sink;
  void give(std::string& bytes);

  const std::size_t buffer_bytes_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string full_;  ///< handed over by the writer, "" when there is nothing
  bool ended_ = false, stop_ = false;
  std::exception_ptr failure_;
  std::string current_;  ///< the reader's
  std::size_t given_ = 0;
  std::thread thread_;
};

/// Passes bytes on to a sink and hashes them meanwhile, large pieces on a thread of its own: what takes as long as the
/// sink's own work costs little then.
class ParallelHashingSink : public ByteSink {
 public:
  explicit ParallelHashingSink(ByteSink& target) : target_(target) {}
  ~ParallelHashingSink() override;
  ParallelHashingSink(const ParallelHashingSink&) = delete;
  ParallelHashingSink& operator=(const ParallelHashingSink&) = delete;
  void write(std::string_view bytes) override;
  std::string finish() { return hash_.finish(); }

 private:
  void run();
  void wait_for_hash();

  ByteSink& target_;
  Digester hash_;  ///< the thread's while there is something pending
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string_view pending_;  ///< the caller's, who waits until it is empty
  bool stop_ = false;
  std::exception_ptr failure_;
  std::thread thread_;  ///< from the first large piece on
};

class StringSource : public ByteSource {
 public:
  explicit StringSource(std::string_view bytes) : rest_(bytes) {}
  std::size_t read(char* buffer, std::size_t size) override;

 private:
  std::string_view rest_;
};

class FdSource : public ByteSource {
 public:
  explicit FdSource(sys::FdRef fd) : fd_(fd) {}
  std::size_t read(char* buffer, std::size_t size) override;

 private:
  sys::FdRef fd_;
};

class StringSink : public ByteSink {
 public:
  void write(std::string_view bytes) override { text.append(bytes); }
  std::string text;
};

/// Puts small pieces together before they go on: for sinks where every write costs a lock or a system call.
class BufferedSink : public ByteSink {
 public:
  explicit BufferedSink(ByteSink& target, std::size_t buffer_bytes = 256 << 10)
      : target_(target), buffer_bytes_(buffer_bytes) {
    buffer_.reserve(buffer_bytes);
  }
  void write(std::string_view bytes) override;
  bool write_file(int fd, std::uint64_t offset, std::uint64_t size) override;  ///< large pieces only
  void flush();                                                                ///< to be called at the end

 private:
  ByteSink& target_;
  const std::size_t buffer_bytes_;
  std::string buffer_;
};

class FdSink : public ByteSink {
 public:
  explicit FdSink(sys::FdRef fd) : fd_(fd) {}
  void write(std::string_view bytes) override;

 private:
  sys::FdRef fd_;
};

}  // namespace berth::archive
