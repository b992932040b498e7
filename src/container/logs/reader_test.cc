#include "container/logs/reader.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>

#include "base/core/text.h"
#include "base/json/json.h"
#include "base/sys/file.h"
#include "logfile/record.h"

namespace berth::container::logs {
namespace {

struct LogFile : ::testing::Test {
  sys::TemporaryDir dir{"/tmp"};
  std::string path = dir.path() + "/x-json.log";

  static std::string line(std::string_view text, std::string_view stream = "stdout", int second = 0) {
    std::string out = R"({"log":)";
    json::write_string(out, text);
    return out + cat(R"(,"stream":")", stream, R"(","time":"2024-01-01T00:00:)", second < 10 ? "0" : "", second,
                     ".000000001Z\"}\n");
  }
  void append(const std::string& text, const std::string& suffix = "") const {
    std::string all = sys::read_file_if_exists(path + suffix).value_or("");
    sys::write_file(path + suffix, all + text);
  }
  std::string read_all(ReadOptions options) const {
    Reader reader{path, logfile::Format::json, options};
    std::string out;
    for (std::string piece = reader.read(); !piece.empty(); piece = reader.read()) out += piece;
    return out;
  }
};

TEST_F(LogFile, FramesStreams) {
  append(line("out\n") + line("err\n", "stderr"));
  EXPECT_EQ(read_all({}), std::string("\1\0\0\0\0\0\0\4out\n\2\0\0\0\0\0\0\4err\n", 24));
  EXPECT_EQ(read_all({.want_stdout = false, .framed = false}), "err\n");
}

TEST_F(LogFile, CoalescesEntriesOfOneStream) {
  append(line("a\n") + line("b\n") + line("e\n", "stderr") + line("c\n"));
  EXPECT_EQ(read_all({.coalesced = true}),
            std::string("\1\0\0\0\0\0\0\4a\nb\n\2\0\0\0\0\0\0\2e\n\1\0\0\0\0\0\0\2c\n", 32));
}

TEST_F(LogFile, UnescapesWhatTheWriterEscapes) {
  append(
      "{\"log\":\"\\u003ca\\u003e \\\"q\\\" \\\\ \\t\\u0001\\ud83d\\ude00\\n\",\"stream\":\"stdout\","
      "\"time\":\"2024-01-01T00:00:00Z\"}\n");
  EXPECT_EQ(read_all({.framed = false}), "<a> \"q\" \\ \t\x01\xF0\x9F\x98\x80\n");
}

TEST_F(LogFile, TakesAnyJsonFormAndLeavesOutDamage) {
  append("{ \"stream\": \"stderr\", \"log\": \"other\\n\", \"time\":\"2024-01-01T00:00:00Z\" }\n");
  append(std::string(100, '\0') + "\n{\"log\":\"torn\n" + line("after\n"));
  EXPECT_EQ(read_all({.framed = false}), "other\nafter\n");
}

TEST_F(LogFile, TailCountsFromTheEndAcrossRotatedFiles) {
  append(line("1\n") + line("2\n"), ".1");
  append(line("3\n") + line("4\n"));
  EXPECT_EQ(read_all({.framed = false, .tail = 3}), "2\n3\n4\n");
  EXPECT_EQ(read_all({.framed = false, .tail = 1}), "4\n");
  EXPECT_EQ(read_all({.framed = false, .tail = 0}), "");
  EXPECT_EQ(read_all({.framed = false, .tail = 99}), "1\n2\n3\n4\n");
  EXPECT_EQ(read_all({.framed = false}), "1\n2\n3\n4\n");
}

TEST_F(LogFile, SinceAndUntilCut) {
  for (int second = 0; second < 10; ++second) append(line(cat(second, '\n'), "stdout", second));
  ReadOptions options{.framed = false};
  options.since = parse_time("2024-01-01T00:00:03Z");
  options.until = parse_time("2024-01-01T00:00:06Z");
  EXPECT_EQ(read_all(options), "3\n4\n5\n");
}

TEST_F(LogFile, TimestampsAndDetailsGoInFront) {
  append(R"({"log":"x\n","stream":"stdout","attrs":{"a":"1","b":"}"},"time":"2024-01-01T00:00:00Z"})"
         "\n");
  EXPECT_EQ(read_all({.timestamps = true, .details = true, .framed = false}),
            "2024-01-01T00:00:00.000000000Z a=1,b=%7D x\n");
}

TEST_F(LogFile, FollowsThroughRotation) {
  append(line("1\n"));
  Reader reader{path, logfile::Format::json, {.framed = false}};
  EXPECT_EQ(reader.read(), "1\n");
  EXPECT_EQ(reader.read(), "");
  append(line("2\n"));
  ASSERT_EQ(::rename(path.c_str(), (path + ".1").c_str()), 0);
  append(line("3\n"));
  std::string got = reader.read();
  got += reader.read();
  EXPECT_EQ(got, "2\n3\n");
  append(R"({"log":"half)");
  EXPECT_EQ(reader.read(), "");
  append(R"(\n","stream":"stdout","time":"2024-01-01T00:00:00Z"})"
         "\n");
  EXPECT_EQ(reader.read(), "half\n");
}

TEST_F(LogFile, AMissingLogIsEmptyUntilItIsThere) {
  Reader reader{path, logfile::Format::json, {.framed = false}};
  EXPECT_EQ(reader.read(), "");
  append(line("now\n"));
  EXPECT_EQ(reader.read(), "now\n");
}

struct LocalLog : ::testing::Test {
  sys::TemporaryDir dir{"/tmp"};
  std::string path = dir.path() + "/container.log";

  static std::string record(const logfile::Record& record) {
    std::string out(logfile::encoded_bound(record), 0);
    out.resize(static_cast<std::size_t>(logfile::encode(record, out.data()) - out.data()));
    return out;
  }
  static std::string line(std::string_view text, int second = 0) {
    return record({.time_ns = 1'704'067'200'000'000'001 + second * 1'000'000'000LL, .line = text});
  }
  void write(const std::string& bytes, const std::string& suffix = "") const { sys::write_file(path + suffix, bytes); }
  void write_compressed(const std::string& bytes, const std::string& suffix) const {
    gzFile file = ::gzopen((path + suffix + ".gz").c_str(), "wb1");
    ::gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    ::gzclose(file);
  }
  std::string read_all(ReadOptions options) const {
    Reader reader{path, logfile::Format::local, options};
    std::string out;
    for (std::string piece = reader.read(); !piece.empty(); piece = reader.read()) out += piece;
    return out;
  }
};

TEST_F(LocalLog, ReadsRecords) {
  const std::string attributes = logfile::encode_attributes({{"a", "1 2"}});
  write(line("one") + record({.stream = Stream::err, .line = "two", .attributes = attributes}));
  EXPECT_EQ(read_all({}), std::string("\1\0\0\0\0\0\0\4one\n\2\0\0\0\0\0\0\4two\n", 24));
  EXPECT_EQ(read_all({.want_stdout = false, .details = true, .framed = false}), "a=1+2 two\n");
  EXPECT_EQ(read_all({.want_stderr = false, .timestamps = true, .framed = false}),
            "2024-01-01T00:00:00.000000001Z one\n");
}

TEST_F(LocalLog, JoinsTheParts) {
  write(record({.line = "be", .partial = logfile::Partial{"x", 1, false}}) +
        record({.line = "gun", .partial = logfile::Partial{"x", 2, true}}) + line("next") +
        record({.line = "cut", .partial = logfile::Partial{"y", 1, false}}));
  EXPECT_EQ(read_all({.framed = false}), "begun\nnext\ncut");
}

TEST_F(LocalLog, TailGoesAcrossCompressedFiles) {
  std::string oldest, older;
  for (int i = 0; i < 1000; ++i) oldest += line(cat(i));
  for (int i = 1000; i < 30000; ++i) older += line(cat(i));  // more than a block
  write_compressed(oldest, ".2");
  write(older, ".1");
  write(line("30000") + line("30001"));
  for (const int tail : {0, 1, 2, 3, 1000, 29002, 29003, 30001, 30002, 99999}) {
    std::string wanted;
    for (int i = std::max(0, 30002 - tail); i < 30002; ++i) wanted += cat(i, '\n');
    EXPECT_EQ(read_all({.framed = false, .tail = tail}), wanted) << tail;
  }
}

TEST_F(LocalLog, SinceAndUntilCut) {
  std::string all;
  for (int second = 0; second < 10; ++second) all += line(cat(second), second);
  write(all);
  ReadOptions options{.framed = false};
  options.since = parse_time("2024-01-01T00:00:03Z");
  options.until = parse_time("2024-01-01T00:00:06Z");
  EXPECT_EQ(read_all(options), "3\n4\n5\n");
}

TEST_F(LocalLog, DamageEndsItsFileOnly) {
  write(line("before") + std::string(50, '\0') + line("never seen"), ".1");
  write(line("after"));
  EXPECT_EQ(read_all({.framed = false}), "before\nafter\n");
  write(line("whole") + line("half").substr(0, 9));
  EXPECT_EQ(read_all({.framed = false, .tail = 5}).find("half"), std::string::npos);
}

}  // namespace
}  // namespace berth::container::logs
