#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace berth::cli {

/// Where output goes. Neighbouring pieces of one stream come as one call where they lie together.
class OutputSink {
 public:
  virtual ~OutputSink() = default;
  virtual void write(int stream, std::string_view bytes) = 0;  ///< stream: 1 stdout, 2 stderr
};

/// Takes Docker's multiplexed stream apart: frames of an 8-byte head (stream, 0, 0, 0, size in big endian) and
/// that many bytes. Frames may be cut anywhere between two calls.
class Demultiplexer {
 public:
  explicit Demultiplexer(OutputSink& sink) : sink_(sink) {}
  void feed(std::string_view bytes);  ///< throws system for a stream that is none

 private:
  OutputSink& sink_;
  std::array<unsigned char, 8> head_{};
  std::size_t head_size_ = 0;
  std::uint32_t left_ = 0;
};

}  // namespace berth::cli
