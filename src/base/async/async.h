#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "base/async/task.h"
#include "base/core/stream.h"
#include "base/sys/fd.h"

/// The event loop's tools. One thread runs the loop; unless said otherwise everything here is used on that
/// thread.
namespace berth::async {

/// A few threads for what blocks: fsync, mounts, unpacking, hashing, netlink. Threads start when needed.
class BlockingPool {
 public:
  BlockingPool(EventLoop& loop, unsigned threads);
  ~BlockingPool();  ///< waits for running work

  /// Runs `work` on a pool thread and resumes the caller on the loop with its result or its exception.
  template <class Work>
  Task<std::invoke_result_t<Work>> run(Work work) {
    using Result = std::invoke_result_t<Work>;
    if constexpr (std::is_void_v<Result>) {
      co_await run_erased(std::move(work));
    } else {
      auto result = std::make_shared<std::optional<Result>>();
      co_await run_erased([result, work = std::make_shared<Work>(std::move(work))] { result->emplace((*work)()); });
      co_return std::move(**result);
    }
  }

 private:
  Task<void> run_erased(std::function<void()> work);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The end of something that can't be taken back and may hold references to the caller's frame: work on another thread,
/// or in a queue. A cancellation meanwhile is kept, not passed on.
class Completion {
 public:
  explicit Completion(EventLoop& loop);
  ~Completion();
  void finish();  ///< on the loop
  /// Always until finish(). True when the caller was cancelled before that: nobody else will be told, as of a client
  /// that hangs up once.
  Task<bool> wait();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Wakes waiting coroutines. No memory: who comes after notify waits for the next one.
class Signal {
 public:
  explicit Signal(EventLoop& loop);
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  Task<void> wait();
  /// false when `timeout` passed first.
  Task<bool> wait_for(std::chrono::nanoseconds timeout);
  void notify_all();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

/// First come, first served; for operations on one object that must not overlap. Held across awaits on
/// purpose: it orders operations of one container and never guards shared memory.
class Mutex {
 public:
  explicit Mutex(EventLoop& loop);
  ~Mutex();

  class Guard {
   public:
    Guard() = default;
    explicit Guard(Mutex* owner) : owner_(owner) {}
    Guard(Guard&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    Guard& operator=(Guard&& other) noexcept {
      std::swap(owner_, other.owner_);
      return *this;
    }
    ~Guard() {
      if (owner_ != nullptr) owner_->unlock();
    }

   private:
    Mutex* owner_ = nullptr;
  };

  /// The mutex must outlive the guard (hold its owner by shared_ptr).
  Task<Guard> lock();

 private:
  void unlock();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Background coroutines with an owner. close() cancels what runs and waits for it; nothing is detached.
class Nursery {
 public:
  explicit Nursery(EventLoop& loop);
  ~Nursery();  ///< must have been closed, or the loop must not run any more

  /// `name` is for the log when the task throws (an exception other than cancellation is reported by
  /// `on_error`).
  void spawn(std::string name, Task<void> task);
  void on_error(std::function<void(const std::string& name, const std::exception&)> handler);
  std::size_t size() const;
  Task<void> close();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

Task<void> sleep_for(std::chrono::nanoseconds time);
/// Until `fd` (pidfd, socket, inotify) is readable or has hung up. The descriptor stays the caller's.
Task<void> wait_readable(sys::FdRef fd);
Task<void> wait_writable(sys::FdRef fd);

/// Bytes from the loop to a blocking reader (an upload on its way to the tar reader), with back-pressure:
/// push() waits while more than `limit_bytes` lie unread.
class UploadPipe : public StoppableSource {
 public:
  explicit UploadPipe(EventLoop& loop, std::size_t limit_bytes = 1 << 20);
  ~UploadPipe() override;
  // On the loop:
  Task<bool> push(std::string chunk);  ///< false when the reader has gone: stop uploading
  void finish();                       ///< end of data
  void fail(std::exception_ptr error) override;
  // On the reader's thread:
  std::size_t read(char* buffer, std::size_t size) override;
  void abandon();  ///< the reader needs no more

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

/// Bytes from blocking writers to the loop (a save, progress lines), with back-pressure on the writer.
class DownloadPipe : public StoppableSink {
 public:
  explicit DownloadPipe(EventLoop& loop, std::size_t limit_bytes = 1 << 20);
  ~DownloadPipe() override;
  // On the writer's thread:
  void write(std::string_view bytes) override;  ///< throws cancelled when the reader has gone
  void finish();
  // On the loop:
  Task<std::optional<std::string>> pop();  ///< nullopt at the end
  void abandon() override;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace berth::async
