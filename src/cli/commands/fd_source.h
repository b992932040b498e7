#pragma once

#include <unistd.h>

#include "base/core/error.h"
#include "base/core/stream.h"
#include "base/sys/fd.h"

namespace berth::cli {

/// A descriptor of the caller's as a source of bytes.
class FdSource : public ByteSource {
 public:
  explicit FdSource(sys::FdRef fd) : fd_(fd) {}
  std::size_t read(char* buffer, std::size_t size) override {
    const ssize_t got = sys::retry_on_eintr([&] { return ::read(fd_.get(), buffer, size); });
    if (got < 0) throw errno_error("read", "input");
    return static_cast<std::size_t>(got);
  }

 private:
  sys::FdRef fd_;
};

}  // namespace berth::cli
