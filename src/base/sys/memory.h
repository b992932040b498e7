#pragma once

#include <chrono>

namespace berth::sys {

/// Hands memory that this process holds for no good reason back to the kernel: heap that was freed, and pages of its
/// own program that starting or a burst has touched. The latter stay in the page cache and are mapped again when they
/// are used (about 0.5 us for 64 KiB); kept mapped, they would make up most of an idle daemon's resident set.
void give_memory_back();

/// Processor time of this process so far, in user and kernel mode.
std::chrono::microseconds cpu_time();

}  // namespace berth::sys
