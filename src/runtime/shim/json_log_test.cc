#include <gtest/gtest.h>

#include "base/core/text.h"
#include "base/core/time.h"
#include "base/sys/file.h"
#include "runtime/shim/attached_client.h"
#include "runtime/shim/json_escape.h"
#include "runtime/shim/json_log.h"

namespace berth::runtime::shim {
namespace {

std::string escaped(std::string_view text) {
  std::string out(text.size() * kMaxEscape + kEscapeSlack, 0);
  const Escaped done = escape_line(text.data(), text.data() + text.size(), out.data());
  out.resize(static_cast<std::size_t>(done.out - out.data()));
  return out;
}

TEST(EscapeLine, LeavesPlainTextAlone) {
  EXPECT_EQ(escaped("hello, 'world' of plain characters / \x7f"), "hello, 'world' of plain characters / \x7f");
}

TEST(EscapeLine, EscapesAsDockerDoes) {
  EXPECT_EQ(escaped("\"\\\t\r<>&\x1b"), R"(\"\\\u0009\r\u003c\u003e\u0026\u001b)");
}

TEST(EscapeLine, StopsAtTheNewline) { EXPECT_EQ(escaped("0123456789abcdef0123\nrest"), "0123456789abcdef0123"); }

TEST(EscapeLine, KeepsUtf8AndReplacesTheRestByteByByte) {
  EXPECT_EQ(escaped("äö€😀"), "äö€😀");
  EXPECT_EQ(escaped("\xe2\x80\xa8"), "\\u2028");
  const std::string mark = "\xef\xbf\xbd";
  EXPECT_EQ(escaped("a\xff"
                    "b"),
            "a" + mark + "b");
  EXPECT_EQ(escaped("\xc3"), mark);
  EXPECT_EQ(escaped("\xed\xa0\x80"), mark + mark + mark);  // a surrogate
  EXPECT_EQ(escaped("\xc0\xaf"), mark + mark);             // overlong
  EXPECT_EQ(escaped("\xf4\x90\x80\x80"), mark + mark + mark + mark);
}

TEST(EscapeLine, AgreesWithItselfAtEveryOffset) {
  std::string text;
  for (int i = 0; i < 600; ++i)
    text += static_cast<char>((i * 131 + i / 7) % 255 == '\n' ? ' ' : (i * 131 + i / 7) % 255);
  std::string singly;
  for (const char c : std::string_view{"plain <text> with \"quotes\" and more than sixteen characters"})
    singly += escaped({&c, 1});
  EXPECT_EQ(escaped("plain <text> with \"quotes\" and more than sixteen characters"), singly);
  EXPECT_GE(escaped(text).size(), text.size());
}

/// What escape_line says, by the definition: the longest valid sequence or one byte at a time.
std::string escaped_slowly(std::string_view text) {
  std::string out;
  while (!text.empty() && text.front() != '\n') {
    std::size_t length = std::min<std::size_t>(text.size(), 4);
    // Alone in its string, so that every way but the one for single characters is out of play.
    while (length > 1 && (escaped(text.substr(0, length)) != text.substr(0, length) ||
                          (static_cast<unsigned char>(text[1]) & 0xc0) != 0x80)) {
      --length;
    }
    out += escaped(text.substr(0, length));
    text.remove_prefix(length);
  }
  return out;
}

TEST(EscapeLine, BinaryDataIsEscapedAsItsBytesAre) {
  std::uint32_t random = 1;
  const auto next = [&] { return random = random * 1664525 + 1013904223, random >> 16; };
  constexpr std::string_view kWide[] = {"\xc3\xa4",     "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                        "\xed\xa0\x80", "\xe2\x82",     "\xc3"};
  for (int round = 0; round < 400; ++round) {
    std::string text;
    while (text.size() < 200) {
      if (next() % 4 == 0) text += kWide[next() % std::size(kWide)];
      text += static_cast<char>(next() % 100 == 0 ? '\n' : next());
    }
    const std::string_view line = std::string_view{text}.substr(0, next() % text.size());
    ASSERT_EQ(escaped(line), escaped_slowly(line)) << "round " << round;
  }
}

class JsonLogTest : public testing::Test {
 protected:
  LogTarget target(std::uint64_t max_size = 0, std::uint32_t max_files = 1) {
    return {.driver = "json-file", .path = path_, .max_size_bytes = max_size, .max_files = max_files};
  }
  /// "text|stream" of each entry.
  std::vector<std::string> entries(const std::string& path) {
    std::vector<std::string> out;
    for (const std::string& line : split(sys::read_file(path), '\n')) {
      if (line.empty()) continue;
      const std::size_t end = line.find(R"(","stream":")");
      EXPECT_EQ(line.substr(0, 8), R"({"log":")");
      EXPECT_EQ(line.substr(line.size() - 3), "Z\"}");
      out.push_back(cat(line.substr(8, end - 8), '|', line.substr(end + 12, 6)));
    }
    return out;
  }
  sys::TemporaryDir folder_{"/tmp", "log-test-"};
  std::string path_ = folder_.path() + "/x-json.log";
  LineState out_, err_;
};

TEST_F(JsonLogTest, ALineIsAnEntry) {
  JsonLog log{target()};
  log.append(Stream::out, "one\ntwo\n", out_, now());
  log.append(Stream::err, "three\n", err_, now());
  EXPECT_EQ(entries(path_), (std::vector<std::string>{"one\\n|stdout", "two\\n|stdout", "three\\n|stderr"}));
}

TEST_F(JsonLogTest, LinesAreAssembledAcrossReads) {
  JsonLog log{target()};
  log.append(Stream::out, "be", out_, now());
  log.append(Stream::err, "other\n", err_, now());
  log.append(Stream::out, "gun\nrest", out_, now());
  log.finish(Stream::out, out_, now());
  EXPECT_EQ(entries(path_), (std::vector<std::string>{"other\\n|stderr", "begun\\n|stdout", "rest|stdout"}));
}

TEST_F(JsonLogTest, ALongLineIsSplitEvery16KiB) {
  JsonLog log{target()};
  const std::string part(16384, 'a');
  log.append(Stream::out, part + "tail\n", out_, now());
  EXPECT_EQ(entries(path_), (std::vector<std::string>{part + "|stdout", "tail\\n|stdout"}));
}

TEST_F(JsonLogTest, ItIsSplitTheSameWhenItComesInPieces) {
  JsonLog log{target()};
  const std::string part(16384, 'a');
  for (int i = 0; i < 4; ++i) log.append(Stream::out, part.substr(0, 4096), out_, now());
  log.append(Stream::out, "\nnext\n", out_, now());
  EXPECT_EQ(entries(path_), (std::vector<std::string>{part + "|stdout", "\\n|stdout", "next\\n|stdout"}));
}

TEST_F(JsonLogTest, AttributesStandBeforeTheTime) {
  LogTarget with = target();
  with.attributes = R"({"tag":"x"})";
  JsonLog log{with};
  log.append(Stream::out, "a\n", out_, now());
  EXPECT_TRUE(sys::read_file(path_).starts_with(R"({"log":"a\n","stream":"stdout","attrs":{"tag":"x"},"time":")"));
}

TEST_F(JsonLogTest, RotatesAtItsSize) {
  JsonLog log{target(1000, 3)};
  for (int i = 0; i < 60; ++i) log.append(Stream::out, cat("line ", i, '\n'), out_, now());
  EXPECT_TRUE(sys::exists(path_ + ".1"));
  EXPECT_TRUE(sys::exists(path_ + ".2"));
  EXPECT_FALSE(sys::exists(path_ + ".3"));
  EXPECT_EQ(entries(path_).back(), "line 59\\n|stdout");
  EXPECT_LT(sys::read_file(path_ + ".1").size(), 1200U);
}

TEST_F(JsonLogTest, OneFileBeginsAnew) {
  JsonLog log{target(500, 1)};
  for (int i = 0; i < 60; ++i) log.append(Stream::out, cat("line ", i, '\n'), out_, now());
  EXPECT_LT(sys::read_file(path_).size(), 700U);
  EXPECT_EQ(entries(path_).back(), "line 59\\n|stdout");
}

TEST_F(JsonLogTest, ABurstIsRotatedWithinIt) {
  JsonLog log{target(10000, 2)};
  std::string burst;
  for (int i = 0; i < 3000; ++i) burst += cat("line ", i, '\n');
  log.append(Stream::out, burst, out_, now());
  EXPECT_LT(sys::read_file(path_ + ".1").size(), 10200U);
  EXPECT_EQ(entries(path_).back(), "line 2999\\n|stdout");
}

TEST_F(JsonLogTest, GoesOnWhenItsFolderComesBack) {
  ASSERT_EQ(::rename(folder_.path().c_str(), (folder_.path() + ".away").c_str()), 0);
  JsonLog log{target()};
  log.append(Stream::out, "lost\n", out_, now());
  ASSERT_EQ(::rename((folder_.path() + ".away").c_str(), folder_.path().c_str()), 0);
  log.append(Stream::out, "kept\n", out_, now());
  EXPECT_EQ(entries(path_),
            (std::vector<std::string>{"berth: 1 log entry is missing here: No such file or directory\\n|stderr",
                                      "kept\\n|stdout"}));
  EXPECT_EQ(log.counts().dropped, 1U);
}

TEST(DetachKeysTest, FindsTheSequenceAcrossReads) {
  DetachKeys keys{"\x10\x11"};
  EXPECT_EQ(keys.scan("a\x10").pass, "a");
  const auto rest = keys.scan(
      "\x11"
      "b");
  EXPECT_TRUE(rest.detached);
}

TEST(DetachKeysTest, GivesBackABeginThatWentElsewhere) {
  DetachKeys keys{"\x10\x11"};
  EXPECT_EQ(keys.scan("\x10").pass, "");
  EXPECT_EQ(keys.scan("x").pass, "\x10x");
  EXPECT_EQ(keys.scan("\x10\x10").pass, "\x10");
  EXPECT_TRUE(keys.scan("\x11").detached);
}

}  // namespace
}  // namespace berth::runtime::shim
