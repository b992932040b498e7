#pragma once

#include <chrono>

namespace berth::engine {

/// When images are removed by themselves: never, unless `high_percent` is set. Berth's own; kubelet's image garbage
/// collection has the same two marks.
struct SpacePolicy {
  unsigned high_percent = 0;               ///< --image-gc-high-threshold: of the disk below the data root; 0 is off
  unsigned low_percent = 0;                ///< --image-gc-low-threshold: then until this much is used
  std::chrono::nanoseconds minimum_age{};  ///< --image-minimum-gc-age: what was used since stays
};

}  // namespace berth::engine
