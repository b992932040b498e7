#include "runtime/shim/buffer.h"

#include <sys/mman.h>

#include "base/core/error.h"

namespace berth::runtime::shim {

Buffer::~Buffer() {
  if (memory_ != nullptr) ::munmap(memory_, size_);
}

void Buffer::map() {
  void* memory = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw errno_error("mmap", "buffer");
  memory_ = static_cast<char*>(memory);
}

void Buffer::release() {
  if (memory_ != nullptr) ::madvise(memory_, size_, MADV_DONTNEED);
}

void Buffer::grow(std::size_t size) {
  if (memory_ != nullptr) ::munmap(memory_, size_);
  memory_ = nullptr;
  size_ = size;
}

}  // namespace berth::runtime::shim
