#include "engine/volumes_service.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>

#include "base/core/error.h"
#include "base/sys/file.h"

namespace berth::engine {
namespace {

struct VolumesOfAStart : ::testing::Test {
  sys::TemporaryDir dir{"/tmp"};
  EventLoop loop;
  Logger log;
  const std::string root = dir.path() + "/volumes";

  /// One start of the daemon: opens the database and sweeps.
  std::vector<std::string> start() {
    async::BlockingPool pool{loop, 1};
    db::Database database{loop, dir.path() + "/state.db"};
    EventLog events{loop};
    VolumesService service{loop, pool, log, database, events, root};
    std::vector<std::string> names;
    const auto work = [&]() -> Task<void> {
      co_await service.reconcile({});
      for (const VolumeView& volume : co_await service.list({})) names.push_back(volume.name);
    };
    std::exception_ptr failure;
    boost::asio::co_spawn(loop, work(), [&](const std::exception_ptr& error) {
      failure = error;
      loop.stop();
    });
    loop.run();
    loop.restart();
    if (failure) std::rethrow_exception(failure);
    return names;
  }
};

TEST_F(VolumesOfAStart, AreKeptWhenTheDatabaseIsGone) {
  sys::ensure_dir(root + "/data/_data");
  sys::write_file(root + "/data/_data/file", "mine");
  EXPECT_EQ(start(), std::vector<std::string>{"data"});
  EXPECT_EQ(sys::read_file(root + "/data/_data/file"), "mine");
  EXPECT_EQ(start(), std::vector<std::string>{"data"});
}

TEST_F(VolumesOfAStart, AreSweptWhenTheDatabaseDoesNotKnowThem) {
  EXPECT_TRUE(start().empty());
  sys::ensure_dir(root + "/half-made/_data");
  EXPECT_TRUE(start().empty());
  EXPECT_FALSE(sys::exists(root + "/half-made"));
}

}  // namespace
}  // namespace berth::engine
