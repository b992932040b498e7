#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/core/text.h"
#include "base/core/time.h"
#include "base/sys/file.h"
#include "logfile/record.h"
#include "runtime/shim/json_log.h"
#include "runtime/shim/local_log.h"
#include "runtime/shim/ring_log.h"

namespace berth::runtime::shim {
namespace {

class LogTest : public testing::Test {
 protected:
  LogTarget target(std::string driver, std::uint64_t max_size = 0, std::uint32_t max_files = 1) {
    LogTarget made;
    made.driver = std::move(driver);
    made.path = path_;
    made.max_size_bytes = max_size;
    made.max_files = max_files;
    return made;
  }
  static std::vector<logfile::Record> records(const std::string& bytes) {
    std::vector<logfile::Record> all;
    for (std::string_view rest = bytes; !rest.empty();) {
      const auto size = logfile::record_size(rest);
      if (!size || *size == 0) {
        ADD_FAILURE() << "not whole entries";
        break;
      }
      all.push_back(*logfile::decode(rest.substr(0, *size)));
      rest.remove_prefix(*size);
    }
    return all;
  }
  sys::TemporaryDir folder_{"/tmp", "log-test-"};
  std::string path_ = folder_.path() + "/log";
  LineState out_, err_;
};

TEST_F(LogTest, LocalEntriesAreRecords) {
  LocalLog log{target("local")};
  log.append(Stream::out, "one\n\ntw", out_, now());
  log.append(Stream::err, "three\n", err_, now());
  log.append(Stream::out, "o\nrest", out_, now());
  log.finish(Stream::out, out_, now());
  const std::string bytes = sys::read_file(path_);
  const auto all = records(bytes);
  ASSERT_EQ(all.size(), 5U);
  EXPECT_EQ(all[0].line, "one");
  EXPECT_EQ(all[1].line, "");
  EXPECT_EQ(all[2].line, "three");
  EXPECT_EQ(all[2].stream, Stream::err);
  EXPECT_EQ(all[3].line, "two");
  EXPECT_FALSE(all[3].partial);
  EXPECT_EQ(all[4].line, "rest");
  ASSERT_TRUE(all[4].partial);
  EXPECT_FALSE(all[4].partial->last);
}

TEST_F(LogTest, PartsOfALineBelongTogether) {
  LocalLog log{target("local")};
  const std::string part(kLineLimit, 'x');
  const Time first = now();
  log.append(Stream::out, part + part.substr(0, 100), out_, first);
  log.append(Stream::out, part, out_, first + std::chrono::seconds{1});
  log.append(Stream::out, "end\nnext\n", out_, first + std::chrono::seconds{2});
  const std::string bytes = sys::read_file(path_);
  const auto all = records(bytes);
  ASSERT_EQ(all.size(), 4U);
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(all[i].partial);
    EXPECT_EQ(all[i].partial->id, all[0].partial->id);
    EXPECT_EQ(all[i].partial->ordinal, static_cast<int>(i) + 1);
    EXPECT_EQ(all[i].partial->last, i == 2);
    EXPECT_EQ(all[i].time_ns, first.time_since_epoch().count());
  }
  EXPECT_EQ(all[2].line.size(), 103U);
  EXPECT_FALSE(all[3].partial);
}

TEST_F(LogTest, TornEndsAreCutOff) {
  {
    LocalLog log{target("local")};
    log.append(Stream::out, "one\ntwo\n", out_, now());
  }
  const std::string whole = sys::read_file(path_);
  sys::write_file(path_, whole + whole.substr(0, 11));
  {
    LocalLog log{target("local")};
    log.append(Stream::out, "three\n", out_, now());
  }
  const std::string repaired = sys::read_file(path_);
  EXPECT_EQ(records(repaired).size(), 3U);

  sys::write_file(path_, "{\"log\":\"a\\n\"}\n{\"log\":\"to");
  JsonLog json{target("json-file")};
  json.append(Stream::out, "b\n", out_, now());
  EXPECT_TRUE(sys::read_file(path_).starts_with("{\"log\":\"a\\n\"}\n{\"log\":\"b\\n\",")) << sys::read_file(path_);
}

/// Runs a loop until the log has ended.
void finish(Loop& loop, RingLog& log) {
  log.close();
  for (int i = 0; i < 1000 && !log.closed(); ++i) {
    loop.run_once(5);
    int status = 0;
    if (const pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0) log.child_ended(pid, status);
  }
  EXPECT_TRUE(log.closed());
}

TEST_F(LogTest, ARingWritesInAProcessOfItsOwn) {
  Loop loop;
  LogTarget with = target("local");
  with.ring_bytes = 1'000'000;
  RingLog log{loop, with, {}, [] {}};
  log.append(Stream::out, "one\ntw", out_, now());
  log.append(Stream::out, "o\n", out_, now());
  log.append(Stream::err, "cut", err_, now());
  log.finish(Stream::err, err_, now());
  finish(loop, log);
  const std::string bytes = sys::read_file(path_);
  const auto all = records(bytes);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[1].line, "two");
  EXPECT_EQ(all[2].line, "cut");
  EXPECT_EQ(log.counts().dropped, 0U);
}

TEST_F(LogTest, ARingDropsWholeLinesAndTells) {
  Loop loop;
  LogTarget with = target("local");
  with.ring_bytes = 20'000;
  RingLog log{loop, with, {}, [] {}};
  const pid_t writer = [&] {  // the only child
    for (const std::string& name : split(sys::read_file(cat("/proc/self/task/", ::getpid(), "/children")), ' ')) {
      if (const auto pid = parse_number<pid_t>(name)) return *pid;
    }
    return pid_t{0};
  }();
  ASSERT_GT(writer, 0);
  ::kill(writer, SIGSTOP);
  std::uint64_t lines = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string text;
    for (int j = 0; j < 100; ++j) text += cat("line ", ++lines, '\n');
    const std::size_t middle = text.size() / 2 + 3;  // lines come in pieces
    log.append(Stream::out, std::string_view{text}.substr(0, middle), out_, now());
    log.append(Stream::out, std::string_view{text}.substr(middle), out_, now());
  }
  EXPECT_GT(log.counts().dropped, 0U);
  ::kill(writer, SIGCONT);
  finish(loop, log);
  const std::string bytes = sys::read_file(path_);
  std::uint64_t kept = 0, told = 0;
  for (const logfile::Record& record : records(bytes)) {
    if (record.stream == Stream::err) {
      told += parse_number<std::uint64_t>(split(record.line, ' ')[1]).value_or(0);
    } else {
      ++kept;
    }
  }
  EXPECT_EQ(told, log.counts().dropped);
  EXPECT_EQ(kept + told, lines);
}

TEST_F(LogTest, AKilledWriterIsReplaced) {
  Loop loop;
  LogTarget with = target("json-file");
  with.ring_bytes = 1'000'000;
  RingLog log{loop, with, {}, [] {}};
  const std::string children = sys::read_file(cat("/proc/self/task/", ::getpid(), "/children"));
  const pid_t writer = parse_number<pid_t>(split(children, ' ')[0]).value_or(0);
  ASSERT_GT(writer, 0);
  ::kill(writer, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(writer, &status, 0), writer);
  EXPECT_TRUE(log.child_ended(writer, status));
  log.append(Stream::out, "after\n", out_, now());
  finish(loop, log);
  EXPECT_NE(sys::read_file(path_).find("after"), std::string::npos);
}

}  // namespace
}  // namespace berth::runtime::shim
