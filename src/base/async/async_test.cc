#include "base/async/async.h"

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <thread>

#include "base/core/error.h"
#include "base/sys/file.h"
#include "base/sys/socket.h"

namespace berth::async {
namespace {

/// Runs one task to its end on a loop of its own.
void run(EventLoop& loop, Task<void> task) {
  std::exception_ptr error;
  boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr e) { error = e; });
  loop.run();
  if (error) std::rethrow_exception(error);
}

Task<void> use_pool(BlockingPool& pool, std::thread::id loop_thread, int& result) {
  result = co_await pool.run([&] {
    EXPECT_NE(std::this_thread::get_id(), loop_thread);
    return 42;
  });
  EXPECT_EQ(std::this_thread::get_id(), loop_thread);
  bool thrown = false;
  try {
    co_await pool.run([] { throw not_found("nothing"); });
  } catch (const Error& error) {
    thrown = error.kind() == ErrorKind::not_found;
  }
  EXPECT_TRUE(thrown);
}

TEST(BlockingPool, RunsElsewhereAndBringsResultsAndErrorsBack) {
  EventLoop loop;
  BlockingPool pool{loop, 2};
  int result = 0;
  run(loop, use_pool(pool, std::this_thread::get_id(), result));
  EXPECT_EQ(result, 42);
}

Task<void> work_under_cancellation(BlockingPool& pool, std::atomic<bool>& release, std::string& log) {
  try {
    co_await pool.run([&] {
      while (!release) std::this_thread::yield();
      log += "work ";
    });
    log += "went on";
  } catch (const Error& error) {
    log += error.kind() == ErrorKind::cancelled ? "cancelled" : "failed";
  }
}

TEST(BlockingPool, ACancellationDuringTheWorkCountsAfterIt) {
  EventLoop loop;
  BlockingPool pool{loop, 1};
  std::atomic<bool> release = false;
  std::string log;
  boost::asio::cancellation_signal cancel;
  boost::asio::co_spawn(loop, work_under_cancellation(pool, release, log),
                        boost::asio::bind_cancellation_slot(cancel.slot(), boost::asio::detached));
  boost::asio::post(loop, [&] {
    cancel.emit(boost::asio::cancellation_type::terminal);
    release = true;
  });
  loop.run();
  EXPECT_EQ(log, "work cancelled");
}

Task<void> observe_end(BlockingPool& pool, std::shared_ptr<int> held, std::weak_ptr<int> seen, bool& ended) {
  co_await pool.run([held = std::move(held)] { (void)*held; });
  ended = seen.expired();
}

TEST(BlockingPool, WhatTheWorkHoldsEndsBeforeTheCallerGoesOn) {
  EventLoop loop;
  BlockingPool pool{loop, 1};
  for (int i = 0; i < 100; ++i) {
    auto held = std::make_shared<int>(i);
    const std::weak_ptr<int> seen = held;
    bool ended = false;
    run(loop, observe_end(pool, std::move(held), seen, ended));
    EXPECT_TRUE(ended);
    loop.restart();
  }
}

Task<void> hold(Mutex& mutex, std::string& order, char name) {
  const Mutex::Guard guard = co_await mutex.lock();
  order += name;
  co_await sleep_for(std::chrono::milliseconds{1});
  order += name;
}

TEST(Mutex, IsFirstComeFirstServed) {
  EventLoop loop;
  Mutex mutex{loop};
  std::string order;
  for (const char name : {'a', 'b', 'c'}) {
    boost::asio::co_spawn(loop, hold(mutex, order, name), boost::asio::detached);
  }
  loop.run();
  EXPECT_EQ(order, "aabbcc");
}

TEST(Mutex, WaitersMayEndWithTheLoopBeforeTheHolder) {
  auto loop = std::make_unique<EventLoop>();
  const auto mutex = std::make_unique<Mutex>(*loop);
  std::string order;
  for (const char name : {'a', 'b', 'c'}) {
    boost::asio::co_spawn(*loop, hold(*mutex, order, name), boost::asio::detached);
  }
  loop->poll();
  loop.reset();  // destroys the frames of the holder and of the waiters, in no order
  EXPECT_EQ(order, "a");
}

Task<void> wait_for_ever(Signal& signal, bool& ended) {
  struct Mark {
    bool& flag;
    ~Mark() { flag = true; }
  } const mark{ended};
  co_await signal.wait();
}

Task<void> close_nursery(Nursery& nursery, Signal& signal, bool& ended) {
  nursery.spawn("waiter", wait_for_ever(signal, ended));
  co_await sleep_for(std::chrono::milliseconds{1});
  EXPECT_FALSE(ended);
  co_await nursery.close();
  EXPECT_TRUE(ended);
  EXPECT_EQ(nursery.size(), 0U);
}

TEST(Nursery, CloseCancelsAndWaits) {
  EventLoop loop;
  Nursery nursery{loop};
  Signal signal{loop};
  bool ended = false;
  run(loop, close_nursery(nursery, signal, ended));
}

Task<void> upload(UploadPipe& pipe, int chunks) {
  for (int i = 0; i < chunks; ++i) EXPECT_TRUE(co_await pipe.push(std::string(1000, 'x')));
  pipe.finish();
}

TEST(UploadPipe, DeliversAllWithBackPressure) {
  EventLoop loop;
  UploadPipe pipe{loop, 4096};
  std::size_t total = 0;
  std::thread reader{[&] {
    char buffer[700];
    while (const std::size_t got = pipe.read(buffer, sizeof buffer)) total += got;
  }};
  run(loop, upload(pipe, 500));
  reader.join();
  EXPECT_EQ(total, 500'000U);
}

Task<void> download(DownloadPipe& pipe, std::size_t& total) {
  for (;;) {
    const std::optional<std::string> piece = co_await pipe.pop();
    if (!piece) co_return;
    total += piece->size();
  }
}

TEST(DownloadPipe, DeliversAllWithBackPressure) {
  EventLoop loop;
  const auto guard = boost::asio::make_work_guard(loop);
  DownloadPipe pipe{loop, 4096};
  std::size_t total = 0;
  std::thread writer{[&] {
    for (int i = 0; i < 500; ++i) pipe.write(std::string(1000, 'y'));
    pipe.finish();
  }};
  boost::asio::co_spawn(loop, download(pipe, total), [&](std::exception_ptr) { loop.stop(); });
  loop.run();
  writer.join();
  EXPECT_EQ(total, 500'000U);
}

Task<void> read_when_ready(const sys::UniqueFd& fd, std::string& got) {
  co_await wait_readable(fd);
  got = sys::receive_message(fd)->bytes;
}

TEST(WaitReadable, WakesAndLeavesTheDescriptorOpen) {
  EventLoop loop;
  auto [left, right] = sys::socket_pair(SOCK_SEQPACKET);
  std::string got;
  boost::asio::co_spawn(loop, read_when_ready(right, got), boost::asio::detached);
  sys::send_message(left, "ping");
  loop.run();
  EXPECT_EQ(got, "ping");
  sys::send_message(left, "again");
  EXPECT_EQ(sys::receive_message(right)->bytes, "again");
}

}  // namespace
}  // namespace berth::async
