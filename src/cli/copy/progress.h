#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/core/stream.h"

namespace berth::cli::copy {

/// Counts what goes through and shows it on standard error, behind `header`; "" shows nothing.
class CountedSource : public ByteSource {
 public:
  CountedSource(ByteSource& origin, std::string header) : origin_(origin), header_(std::move(header)) {}
  std::size_t read(char* buffer, std::size_t size) override;
  /// "Successfully copied 2.05kB to web:/etc".
  void finish(const std::string& where);

 private:
  void show();

  ByteSource& origin_;
  const std::string header_;
  std::uint64_t count_ = 0;
  std::chrono::steady_clock::time_point shown_ = std::chrono::steady_clock::now();
  std::size_t width_ = 0;  ///< of the line that is shown now
};

}  // namespace berth::cli::copy
