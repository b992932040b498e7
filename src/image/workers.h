#pragma once

#include <cstddef>
#include <functional>

namespace berth::image {

/// work(i) for every i below `count`, on as many as `threads` threads, the caller's among them. After the first failure
/// no more is begun and `give_up` is called, so that what is under way ends soon; the failure is thrown when all have.
void for_each_concurrently(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& work,
                           const std::function<void()>& give_up);

}  // namespace berth::image
