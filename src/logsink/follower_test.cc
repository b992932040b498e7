#include "logsink/follower.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/core/text.h"
#include "base/sys/file.h"
#include "logsink/compress.h"

namespace berth::logsink {
namespace {

class FollowerTest : public testing::Test {
 protected:
  void write(std::uint64_t first, std::uint64_t last, const std::string& suffix = "") {
    std::string bytes = sys::read_file_if_exists(path_ + suffix).value_or("");
    for (std::uint64_t number = first; number <= last; ++number) {
      const std::string line = cat("line ", number);
      const logfile::Record record{.time_ns = 1, .line = line, .number = number};
      std::string one(logfile::encoded_bound(record), 0);
      bytes.append(one.data(), static_cast<std::size_t>(logfile::encode(record, one.data()) - one.data()));
    }
    sys::write_file(path_ + suffix, bytes);
  }
  void rotate() {
    if (sys::exists(path_ + ".1")) sys::rename(path_ + ".1", path_ + ".2");
    sys::rename(path_, path_ + ".1");
  }
  void pack(const std::string& suffix) {
    compress(sys::open_file(path_ + suffix, O_RDONLY), sys::open_file(path_ + suffix + ".gz", O_WRONLY | O_CREAT));
    sys::remove_file(path_ + suffix);
  }
  void compress(const sys::UniqueFd& from, const sys::UniqueFd& to) { logsink::compress(from, to); }
  std::vector<std::uint64_t> rest(Follower& follower) {
    std::vector<std::uint64_t> numbers;
    while (const auto record = follower.next()) {
      EXPECT_EQ(record->line, cat("line ", record->number));
      numbers.push_back(record->number);
    }
    return numbers;
  }
  static std::vector<std::uint64_t> range(std::uint64_t first, std::uint64_t last) {
    std::vector<std::uint64_t> numbers;
    for (; first <= last; ++first) numbers.push_back(first);
    return numbers;
  }
  sys::TemporaryDir folder_{"/tmp", "follower-test-"};
  std::string path_ = folder_.path() + "/log";
};

TEST_F(FollowerTest, ReadsFromItsPositionAcrossFiles) {
  write(1, 1000, ".2");
  write(1001, 2000, ".1");
  write(2001, 2010);
  Follower follower{path_, 1500};
  EXPECT_EQ(rest(follower), range(1500, 2010));
  write(2011, 2012);
  EXPECT_EQ(rest(follower), range(2011, 2012));
  EXPECT_EQ(follower.position(), 2013U);
}

TEST_F(FollowerTest, FollowsRotationAndCompression) {
  write(1, 10);
  Follower follower{path_, 1};
  EXPECT_EQ(rest(follower), range(1, 10));
  write(11, 12);
  rotate();
  pack(".1");
  write(13, 14);
  // What came after the last look is in the file that was followed, which is open; the compressed one is the same.
  EXPECT_EQ(rest(follower), range(11, 14));
  Follower late{path_, 11};
  EXPECT_EQ(rest(late), range(11, 14));
}

TEST_F(FollowerTest, CountsWhatIsGone) {
  write(101, 110);
  Follower follower{path_, 1};
  const auto record = follower.next();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->number, 101U);
  EXPECT_EQ(follower.gap(), 100U);
  EXPECT_TRUE(follower.gap_by_rotation());
  ASSERT_TRUE(follower.next());
  EXPECT_EQ(follower.gap(), 0U);
}

TEST_F(FollowerTest, AGapWithinAFileIsTheWritersOwn) {
  write(1, 5);
  write(9, 10);
  Follower follower{path_, 5};
  ASSERT_TRUE(follower.next());
  const auto record = follower.next();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->number, 9U);
  EXPECT_EQ(follower.gap(), 3U);
  EXPECT_FALSE(follower.gap_by_rotation());
}

TEST_F(FollowerTest, KnowsItsBacklog) {
  write(1, 100, ".1");
  write(101, 200);
  Follower follower{path_, 51};
  ASSERT_TRUE(follower.next());
  EXPECT_EQ(follower.backlog_entries(), 149U);
  EXPECT_GT(follower.backlog_bytes(), sys::read_file(path_).size());
  (void)rest(follower);
  EXPECT_EQ(follower.backlog_entries(), 0U);
  EXPECT_EQ(follower.backlog_bytes(), 0U);
}

TEST_F(FollowerTest, ADamagedFileEndsThere) {
  write(1, 10, ".1");
  sys::write_file(path_ + ".1", sys::read_file(path_ + ".1") + std::string(100, '\0'));
  write(11, 12);
  Follower follower{path_, 1};
  EXPECT_EQ(rest(follower), range(1, 12));
}

}  // namespace
}  // namespace berth::logsink
