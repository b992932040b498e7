#include "base/async/async.h"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>
#include <thread>
#include <vector>

#include "base/core/error.h"

namespace berth::async {

namespace asio = boost::asio;
using asio::use_awaitable;
using Timer = asio::steady_timer;
using Clock = Timer::clock_type;

namespace {

/// To be asked at once: a reset of the state leaves this object dangling.
bool is_cancelled(asio::cancellation_state state) { return state.cancelled() != asio::cancellation_type::none; }

/// Waits on a timer; true when it expired, false when it was cancelled by a notifier. A cancelled coroutine
/// throws.
Task<bool> wait_on(Timer& timer) {
  boost::system::error_code code;
  co_await timer.async_wait(asio::redirect_error(use_awaitable, code));
  if (is_cancelled(co_await asio::this_coro::cancellation_state)) {
    throw Error{ErrorKind::cancelled, "context canceled"};
  }
  co_return !code;
}

}  // namespace

// ---- BlockingPool: threads are started one by one as work queues up, so an idle daemon has none ----

struct BlockingPool::Impl {
  Impl(EventLoop& event_loop, unsigned count) : loop(event_loop), limit(count) {}

  void submit(std::function<void()> work) {
    const std::lock_guard lock{mutex};
    queue.push_back(std::move(work));
    if (idle < queue.size() && threads.size() < limit) start_thread();
    ready.notify_one();
  }

  /// With no thread at all the newest work is given back; else those that there are do it in time.
  void start_thread() {
    try {
      threads.emplace_back([this] { serve(); });
    } catch (const std::system_error&) {
      if (!threads.empty()) return;
      queue.pop_back();
      throw;
    }
  }

  void serve() {
    std::unique_lock lock{mutex};
    for (;;) {
      ++idle;
      ready.wait(lock, [this] { return stopping || !queue.empty(); });
      --idle;
      if (queue.empty()) return;
      const std::function<void()> work = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      work();
      lock.lock();
    }
  }

  EventLoop& loop;
  const unsigned limit;
  std::mutex mutex;
  std::condition_variable ready;
  std::deque<std::function<void()>> queue;
  std::vector<std::thread> threads;
  std::size_t idle = 0;
  bool stopping = false;
};

BlockingPool::BlockingPool(EventLoop& loop, unsigned threads) : impl_(std::make_unique<Impl>(loop, threads)) {}

BlockingPool::~BlockingPool() {
  {
    const std::lock_guard lock{impl_->mutex};
    impl_->stopping = true;
  }
  impl_->ready.notify_all();
  for (std::thread& thread : impl_->threads) thread.join();
}

Task<void> BlockingPool::run_erased(std::function<void()> work) {
  struct State {
    explicit State(EventLoop& loop) : done(loop), guard(loop.get_executor()) {}
    Completion done;
    asio::executor_work_guard<EventLoop::executor_type> guard;
    std::exception_ptr error;
  };
  auto state = std::make_shared<State>(impl_->loop);
  // What the work holds, and the state with its timer, must end before the caller goes on: they are the loop's.
  impl_->submit([state, work = std::move(work), &loop = impl_->loop]() mutable {
    try {
      work();
    } catch (...) {
      state->error = std::current_exception();
    }
    work = nullptr;
    asio::post(loop, [state = std::move(state)] {
      state->done.finish();
      state->guard.reset();
    });
  });
  const bool cancelled = co_await state->done.wait();
  if (state->error) std::rethrow_exception(state->error);
  if (cancelled) throw Error{ErrorKind::cancelled, "context canceled"};
}

// ---- Completion ----

struct Completion::Impl {
  explicit Impl(EventLoop& loop) : timer(loop, Clock::time_point::max()) {}
  Timer timer;
  bool finished = false;
};

Completion::Completion(EventLoop& loop) : impl_(std::make_unique<Impl>(loop)) {}
Completion::~Completion() = default;

void Completion::finish() {
  impl_->finished = true;
  impl_->timer.cancel();
}

Task<bool> Completion::wait() {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation(),
                                                     asio::disable_cancellation());
  while (!impl_->finished) {
    boost::system::error_code code;
    co_await impl_->timer.async_wait(asio::redirect_error(use_awaitable, code));
  }
  const bool cancelled = is_cancelled(co_await asio::this_coro::cancellation_state);
  co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
  co_await asio::this_coro::throw_if_cancelled(true);
  co_return cancelled;
}

// ---- Signal ----

struct Signal::Impl {
  explicit Impl(EventLoop& event_loop) : loop(event_loop) {}
  EventLoop& loop;
  std::list<Timer*> waiting;
};

Signal::Signal(EventLoop& loop) : impl_(std::make_shared<Impl>(loop)) {}
Signal::~Signal() { notify_all(); }

Task<void> Signal::wait() { co_await wait_for(std::chrono::nanoseconds::max()); }

Task<bool> Signal::wait_for(std::chrono::nanoseconds timeout) {
  const std::shared_ptr<Impl> impl = impl_;  // outlives this signal while somebody waits
  Timer timer{impl->loop};
  if (timeout == std::chrono::nanoseconds::max()) {
    timer.expires_at(Clock::time_point::max());
  } else {
    timer.expires_after(timeout);
  }
  struct Entry {
    std::list<Timer*>& list;
    std::list<Timer*>::iterator place;
    ~Entry() { list.erase(place); }
  };
  const Entry entry{impl->waiting, impl->waiting.insert(impl->waiting.end(), &timer)};
  const bool expired = co_await wait_on(timer);
  co_return !expired;
}

void Signal::notify_all() {
  for (Timer* timer : impl_->waiting) timer->cancel();
}

// ---- Mutex ----

struct Mutex::Impl {
  explicit Impl(EventLoop& event_loop) : loop(event_loop) {}
  /// In the frame of who waits; off the list when that frame goes, be it with the loop.
  struct Waiter {
    explicit Waiter(Impl& impl)
        : timer(impl.loop, Clock::time_point::max()), list(impl.waiting), place(list.insert(list.end(), this)) {}
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter() {
      if (!granted) list.erase(place);
    }
    Timer timer;
    std::list<Waiter*>& list;
    std::list<Waiter*>::iterator place;
    bool granted = false;
  };
  EventLoop& loop;
  bool locked = false;
  std::list<Waiter*> waiting;
};

Mutex::Mutex(EventLoop& loop) : impl_(std::make_unique<Impl>(loop)) {}
Mutex::~Mutex() = default;

Task<Mutex::Guard> Mutex::lock() {
  if (!impl_->locked) {
    impl_->locked = true;
    co_return Guard{this};
  }
  Impl::Waiter waiter{*impl_};
  try {
    while (!waiter.granted) co_await wait_on(waiter.timer);
  } catch (...) {
    if (waiter.granted) unlock();  // the lock was handed over in the moment of cancellation: pass it on
    throw;
  }
  co_return Guard{this};
}

void Mutex::unlock() {
  if (impl_->waiting.empty()) {
    impl_->locked = false;
    return;
  }
  Impl::Waiter* next = impl_->waiting.front();
  impl_->waiting.pop_front();
  next->granted = true;  // the lock never becomes free in between, so nobody can overtake
  next->timer.cancel();
}

// ---- Nursery ----

struct Nursery::Impl : std::enable_shared_from_this<Nursery::Impl> {
  explicit Impl(EventLoop& event_loop) : loop(event_loop), emptied(event_loop) {}
  struct Entry {
    std::string name;
    asio::cancellation_signal cancel;
  };
  void finished(std::list<Entry>::iterator place, const std::exception_ptr& error) {
    const std::string name = std::move(place->name);
    running.erase(place);
    if (running.empty()) emptied.notify_all();
    if (!error || !report) return;
    try {
      std::rethrow_exception(error);
    } catch (const Error& failure) {
      if (failure.kind() != ErrorKind::cancelled) report(name, failure);
    } catch (const boost::system::system_error& failure) {
      if (failure.code() != asio::error::operation_aborted) report(name, failure);
    } catch (const std::exception& failure) {
      report(name, failure);
    }
  }
  EventLoop& loop;
  Signal emptied;
  std::list<Entry> running;
  bool closing = false;
  std::function<void(const std::string&, const std::exception&)> report;
};

Nursery::Nursery(EventLoop& loop) : impl_(std::make_shared<Impl>(loop)) {}
Nursery::~Nursery() = default;

void Nursery::spawn(std::string name, Task<void> task) {
  impl_->running.emplace_back();
  const auto place = std::prev(impl_->running.end());
  place->name = std::move(name);
  asio::co_spawn(impl_->loop, std::move(task),
                 asio::bind_cancellation_slot(place->cancel.slot(), [impl = impl_, place](std::exception_ptr error) {
                   impl->finished(place, error);
                 }));
  if (impl_->closing) place->cancel.emit(asio::cancellation_type::terminal);
}

void Nursery::on_error(std::function<void(const std::string&, const std::exception&)> handler) {
  impl_->report = std::move(handler);
}

std::size_t Nursery::size() const { return impl_->running.size(); }

Task<void> Nursery::close() {
  const std::shared_ptr<Impl> impl = impl_;
  impl->closing = true;
  while (!impl->running.empty()) {
    // Emitting may end a task at once and take it off the list, hence the step ahead; posted, since the
    // caller may be such a task's own continuation.
    asio::post(impl->loop, [impl] {
      for (auto entry = impl->running.begin(); entry != impl->running.end();) {
        const auto here = entry++;
        here->cancel.emit(asio::cancellation_type::terminal);
      }
    });
    // A task may be between two awaits that can be cancelled (on the pool, say): ask again until all have
    // ended.
    co_await impl->emptied.wait_for(std::chrono::milliseconds{20});
  }
}

// ---- waiting for time and descriptors ----

Task<void> sleep_for(std::chrono::nanoseconds time) {
  Timer timer{co_await asio::this_coro::executor, time};
  co_await wait_on(timer);
}

namespace {

Task<void> wait_ready(sys::FdRef fd, asio::posix::descriptor_base::wait_type what) {
  asio::posix::stream_descriptor descriptor{co_await asio::this_coro::executor, fd.get()};
  // Borrowed: the descriptor stays the caller's whatever happens here.
  struct Release {
    asio::posix::stream_descriptor& held;
    ~Release() { held.release(); }
  } const release{descriptor};
  boost::system::error_code code;
  co_await descriptor.async_wait(what, asio::redirect_error(use_awaitable, code));
  if (code == asio::error::operation_aborted) throw Error{ErrorKind::cancelled, "context canceled"};
  if (code) throw system_error("poll: " + code.message());
}

}  // namespace

Task<void> wait_readable(sys::FdRef fd) { co_await wait_ready(fd, asio::posix::descriptor_base::wait_read); }
Task<void> wait_writable(sys::FdRef fd) { co_await wait_ready(fd, asio::posix::descriptor_base::wait_write); }

// ---- UploadPipe: loop to thread ----

struct UploadPipe::Impl {
  Impl(EventLoop& event_loop, std::size_t limit_bytes) : loop(event_loop), room(event_loop), limit(limit_bytes) {}
  EventLoop& loop;
  Signal room;  // used on the loop only
  const std::size_t limit;
  std::mutex mutex;
  std::condition_variable filled;
  std::deque<std::string> chunks;
  std::size_t offset = 0, bytes = 0;
  bool finished = false, abandoned = false, waiting = false;
  std::exception_ptr error;
};

namespace {
template <class Impl>
void wake_loop(const std::shared_ptr<Impl>& impl, Signal Impl::* signal) {
  asio::post(impl->loop, [impl, signal] { ((*impl).*signal).notify_all(); });
}
}  // namespace

UploadPipe::UploadPipe(EventLoop& loop, std::size_t limit_bytes) : impl_(std::make_shared<Impl>(loop, limit_bytes)) {}
UploadPipe::~UploadPipe() = default;

Task<bool> UploadPipe::push(std::string chunk) {
  const std::shared_ptr<Impl> impl = impl_;
  for (;;) {
    {
      const std::lock_guard lock{impl->mutex};
      if (impl->abandoned) co_return false;
      if (impl->bytes < impl->limit) {
        impl->bytes += chunk.size();
        if (!chunk.empty()) impl->chunks.push_back(std::move(chunk));
        impl->filled.notify_one();
        co_return true;
      }
      impl->waiting = true;
    }
    // The reader posts its wake-up to this thread, so none can be lost between the unlock and the wait.
    co_await impl->room.wait();
  }
}

void UploadPipe::finish() {
  const std::lock_guard lock{impl_->mutex};
  impl_->finished = true;
  impl_->filled.notify_all();
}

void UploadPipe::fail(std::exception_ptr error) {
  const std::lock_guard lock{impl_->mutex};
  impl_->error = std::move(error);
  impl_->filled.notify_all();
}

std::size_t UploadPipe::read(char* buffer, std::size_t size) {
  std::unique_lock lock{impl_->mutex};
  impl_->filled.wait(lock, [this] { return !impl_->chunks.empty() || impl_->finished || impl_->error; });
  if (impl_->chunks.empty()) {
    if (impl_->error) std::rethrow_exception(impl_->error);
    return 0;
  }
  std::string& front = impl_->chunks.front();
  const std::size_t take = std::min(size, front.size() - impl_->offset);
  std::char_traits<char>::copy(buffer, front.data() + impl_->offset, take);
  impl_->offset += take;
  impl_->bytes -= take;
  if (impl_->offset == front.size()) {
    impl_->chunks.pop_front();
    impl_->offset = 0;
  }
  if (impl_->waiting && impl_->bytes < impl_->limit) {
    impl_->waiting = false;
    wake_loop(impl_, &Impl::room);
  }
  return take;
}

void UploadPipe::abandon() {
  const std::lock_guard lock{impl_->mutex};
  impl_->abandoned = true;
  wake_loop(impl_, &Impl::room);
}

// ---- DownloadPipe: thread to loop ----

namespace {
/// Small enough for the allocator to keep and give again: larger blocks come from the kernel each time, page by page.
constexpr std::size_t kPieceBytes = 64 << 10;
}  // namespace

struct DownloadPipe::Impl {
  Impl(EventLoop& event_loop, std::size_t limit_bytes) : loop(event_loop), filled(event_loop), limit(limit_bytes) {}

  void append(std::string_view bytes) {
    pending_bytes += bytes.size();
    while (!bytes.empty()) {
      if (pieces.empty() || pieces.back().size() == kPieceBytes) {
        pieces.emplace_back();
        if (bytes.size() >= kPieceBytes) pieces.back().reserve(kPieceBytes);
      }
      const std::size_t count = std::min(bytes.size(), kPieceBytes - pieces.back().size());
      pieces.back().append(bytes.substr(0, count));
      bytes.remove_prefix(count);
    }
  }

  EventLoop& loop;
  Signal filled;  // used on the loop only
  const std::size_t limit;
  std::mutex mutex;
  std::condition_variable room;
  std::deque<std::string> pieces;
  std::size_t pending_bytes = 0;
  bool finished = false, abandoned = false, waiting = false;
};

DownloadPipe::DownloadPipe(EventLoop& loop, std::size_t limit_bytes)
    : impl_(std::make_shared<Impl>(loop, limit_bytes)) {}
DownloadPipe::~DownloadPipe() = default;

void DownloadPipe::write(std::string_view bytes) {
  std::unique_lock lock{impl_->mutex};
  impl_->room.wait(lock, [this] { return impl_->pending_bytes < impl_->limit || impl_->abandoned; });
  if (impl_->abandoned) throw Error{ErrorKind::cancelled, "the client went away"};
  impl_->append(bytes);
  if (impl_->waiting) {
    impl_->waiting = false;
    wake_loop(impl_, &Impl::filled);
  }
}

void DownloadPipe::finish() {
  const std::lock_guard lock{impl_->mutex};
  impl_->finished = true;
  wake_loop(impl_, &Impl::filled);
}

Task<std::optional<std::string>> DownloadPipe::pop() {
  const std::shared_ptr<Impl> impl = impl_;
  for (;;) {
    {
      const std::lock_guard lock{impl->mutex};
      if (!impl->pieces.empty()) {
        std::string piece = std::move(impl->pieces.front());
        impl->pieces.pop_front();
        impl->pending_bytes -= piece.size();
        // Half empty: the writer then has room for several pieces, and is not woken for each.
        if (impl->pending_bytes <= impl->limit / 2) impl->room.notify_all();
        co_return piece;
      }
      if (impl->finished) co_return std::nullopt;
      impl->waiting = true;
    }
    co_await impl->filled.wait();
  }
}

void DownloadPipe::abandon() {
  const std::lock_guard lock{impl_->mutex};
  impl_->abandoned = true;
  impl_->room.notify_all();
}

}  // namespace berth::async
