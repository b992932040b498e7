#include "engine/state_store.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>

#include "base/core/error.h"
#include "base/sys/file.h"

namespace berth::engine {
namespace {

struct Fixture : ::testing::Test {
  sys::TemporaryDir dir{"/tmp"};
  EventLoop loop;
  db::Database database{loop, dir.path() + "/state.db"};
  StateStore store{database};

  /// The error's text, "" when there was none.
  std::string run(Task<void> task) {
    std::string problem;
    boost::asio::co_spawn(loop, std::move(task), [&](const std::exception_ptr& error) {
      try {
        if (error) std::rethrow_exception(error);
      } catch (const Error& failure) {
        problem = failure.text();
      }
    });
    loop.run();
    loop.restart();
    return problem;
  }
};

container::Record record(std::string id, std::string name) {
  container::Record record;
  record.id = std::move(id);
  record.name = std::move(name);
  record.config.image = "busybox";
  record.state.exit_code = 7;
  return record;
}

using StateStoreTest = Fixture;

TEST_F(StateStoreTest, GivesBackWhatItWasGiven) {
  EXPECT_EQ(run(store.insert(record("a1", "web"))), "");
  const StateStore::Loaded loaded = store.load();
  ASSERT_EQ(loaded.records.size(), 1U);
  EXPECT_EQ(loaded.records[0].name, "web");
  EXPECT_EQ(loaded.records[0].config.image, "busybox");
  EXPECT_EQ(loaded.records[0].state.exit_code, 7);
}

TEST_F(StateStoreTest, RefusesANameThatIsTaken) {
  EXPECT_EQ(run(store.insert(record("a1", "web"))), "");
  EXPECT_NE(run(store.insert(record("b2", "web"))), "");
  EXPECT_EQ(store.load().records.size(), 1U);
}

TEST_F(StateStoreTest, DoesNotBringBackWhatWasErased) {
  EXPECT_EQ(run(store.insert(record("a1", "web"))), "");
  EXPECT_EQ(run(store.erase("a1")), "");
  EXPECT_EQ(run(store.update(record("a1", "web"))), "");
  EXPECT_TRUE(store.load().records.empty());
}

TEST_F(StateStoreTest, SetsADamagedRowAsideAndReadsTheOthers) {
  EXPECT_EQ(run(store.insert(record("a1", "web"))), "");
  database.write_blocking(
      [](db::Connection& c) { c.execute("INSERT INTO containers VALUES ('b2', 'db', '{broken')"); });
  const StateStore::Loaded loaded = store.load();
  EXPECT_EQ(loaded.records.size(), 1U);
  ASSERT_EQ(loaded.unreadable.size(), 1U);
  EXPECT_EQ(loaded.unreadable[0].id, "b2");
  EXPECT_EQ(loaded.unreadable[0].name, "db");
}

}  // namespace
}  // namespace berth::engine
