#include "base/db/database.h"

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <thread>
#include <vector>

#include "base/core/error.h"
#include "base/sys/file.h"

namespace berth::db {
namespace {

std::int64_t count(Database& database) {
  std::int64_t rows = -1;
  database.read([&](Connection& connection) {
    Statement query = connection.prepare("SELECT count(*) FROM t");
    query.step();
    rows = query.number(0);
  });
  return rows;
}

struct Fixture : ::testing::Test {
  sys::TemporaryDir dir{"/tmp"};
  EventLoop loop;
  Database database{loop, dir.path() + "/state.db"};
  void SetUp() override {
    database.write_blocking([](Connection& c) { c.execute("CREATE TABLE t (name TEXT PRIMARY KEY, body BLOB)"); });
  }
};

void insert(Connection& connection, const std::string& name) {
  connection.prepare("INSERT INTO t VALUES (?, ?)").bind(1, name).bind_blob(2, std::string_view{"\0x", 2}).run();
}

TEST_F(Fixture, WritesOfManyThreadsAllArrive) {
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 20; ++i) {
        const std::string name = std::to_string(t * 100 + i);
        database.write_blocking([&](Connection& c) { insert(c, name); });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count(database), 160);
}

TEST_F(Fixture, AThrowTakesBackOnlyItsOwnChanges) {
  EXPECT_THROW(database.write_blocking([](Connection& c) {
    insert(c, "lost");
    throw conflict("no");
  }),
               Error);
  database.write_blocking([](Connection& c) { insert(c, "kept"); });
  EXPECT_THROW(database.write_blocking([](Connection& c) { insert(c, "kept"); }), Error);
  EXPECT_EQ(count(database), 1);
}

Task<void> write_twice(Database& database) {
  co_await database.write([](Connection& c) { insert(c, "a"); });
  co_await database.write([](Connection& c) { insert(c, "b"); });
}

TEST_F(Fixture, CoroutinesAwaitTheCommit) {
  std::exception_ptr error;
  boost::asio::co_spawn(loop, write_twice(database), [&](std::exception_ptr e) { error = e; });
  const auto guard = boost::asio::make_work_guard(loop);
  while (count(database) < 2 && !error) loop.run_one_for(std::chrono::milliseconds{100});
  loop.poll();
  EXPECT_FALSE(error);
}

TEST_F(Fixture, ACancelledCallerWaitsForWhatUsesItsFrame) {
  boost::asio::cancellation_signal cancel;
  std::promise<void> cancelled;
  const auto caller = [&]() -> Task<void> {
    const std::string name = "a name that is the caller's";
    co_await database.write([&](Connection& c) {
      cancelled.get_future().wait();
      insert(c, name);
    });
  };
  ErrorKind kind{};
  std::int64_t rows = 0;
  const auto on_end = [&](const std::exception_ptr& error) {
    rows = count(database);
    try {
      std::rethrow_exception(error);
    } catch (const Error& failure) {
      kind = failure.kind();
    }
  };
  boost::asio::co_spawn(loop, caller(), boost::asio::bind_cancellation_slot(cancel.slot(), on_end));
  boost::asio::post(loop, [&] {
    cancel.emit(boost::asio::cancellation_type::terminal);
    cancelled.set_value();
  });
  loop.run();
  EXPECT_EQ(kind, ErrorKind::cancelled);
  EXPECT_EQ(rows, 1);
}

TEST(Database, SaysWhatToDoAboutADamagedFile) {
  const sys::TemporaryDir dir{"/tmp"};
  sys::write_file(dir.path() + "/state.db", std::string(8192, 'x'));
  EventLoop loop;
  try {
    const Database database{loop, dir.path() + "/state.db"};
    FAIL() << "opened a damaged file";
  } catch (const Error& error) {
    EXPECT_NE(error.text().find("start anew"), std::string::npos) << error.text();
  }
}

}  // namespace
}  // namespace berth::db
