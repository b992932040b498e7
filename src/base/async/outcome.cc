#include "base/async/outcome.h"

#include <utility>

namespace berth::async {

Task<std::exception_ptr> outcome(Task<void> work) {
  try {
    co_await std::move(work);
  } catch (...) {
    co_return std::current_exception();
  }
  co_return nullptr;
}

}  // namespace berth::async
