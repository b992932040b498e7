#pragma once

#include <cstddef>

namespace berth::runtime::shim {

/// Anonymous memory that costs nothing while it isn't touched, and nothing again after `release`.
class Buffer {
 public:
  explicit Buffer(std::size_t size) : size_(size) {}
  Buffer(Buffer&&) = delete;
  ~Buffer();
  char* data() {  ///< maps it at first use
    if (memory_ == nullptr) map();
    return memory_;
  }
  std::size_t size() const { return size_; }
  void release();
  void grow(std::size_t size);  ///< what was in it is gone

 private:
  void map();
  char* memory_ = nullptr;
  std::size_t size_;
};

}  // namespace berth::runtime::shim
