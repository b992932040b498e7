#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/async/async.h"

namespace berth::engine {

namespace detail {

template <class T>
struct Outcome {
  explicit Outcome(EventLoop& loop) : settled(loop) {}
  async::Signal settled;
  bool finished = false;
  std::exception_ptr error;
  std::optional<T> value;
};
template <>
struct Outcome<void> {
  explicit Outcome(EventLoop& loop) : settled(loop) {}
  async::Signal settled;
  bool finished = false;
  std::exception_ptr error;
};

template <class T>
Task<void> settle(std::shared_ptr<Outcome<T>> outcome, Task<T> task) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(task);
    } else {
      outcome->value.emplace(co_await std::move(task));
    }
  } catch (...) {
    outcome->error = std::current_exception();
  }
  outcome->finished = true;
  outcome->settled.notify_all();
}

}  // namespace detail

/// A task that runs beside its starter. Its outcome is kept until somebody asks; nobody has to.
template <class T>
class Running {
 public:
  Running(EventLoop& loop, async::Nursery& nursery, std::string name, Task<T> task)
      : outcome_(std::make_shared<detail::Outcome<T>>(loop)) {
    nursery.spawn(std::move(name), detail::settle<T>(outcome_, std::move(task)));
  }
  Task<T> result() { return result_of(outcome_); }

 private:
  static Task<T> result_of(std::shared_ptr<detail::Outcome<T>> outcome) {
    while (!outcome->finished) co_await outcome->settled.wait();
    if (outcome->error) std::rethrow_exception(outcome->error);
    if constexpr (!std::is_void_v<T>) co_return std::move(*outcome->value);
  }
  std::shared_ptr<detail::Outcome<T>> outcome_;
};

/// Runs an operation to its end even when the client that asked for it goes away meanwhile: what changes state must
/// not stop half-way. The nursery's owner waits for it before it ends.
template <class T>
Task<T> shielded(EventLoop& loop, async::Nursery& nursery, std::string name, Task<T> task) {
  return Running<T>{loop, nursery, std::move(name), std::move(task)}.result();
}

}  // namespace berth::engine
