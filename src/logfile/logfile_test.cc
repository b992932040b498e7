#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/core/text.h"
#include "base/sys/file.h"
#include "logfile/format.h"
#include "logfile/record.h"
#include "logfile/segments.h"

namespace berth::logfile {
namespace {

std::string encoded(const Record& record) {
  std::string out(encoded_bound(record), 0);
  const char* const end = encode(record, out.data());
  EXPECT_LE(end, out.data() + out.size());
  out.resize(static_cast<std::size_t>(end - out.data()));
  return out;
}

TEST(RecordTest, IsDockersProtobufBetweenTwoLengths) {
  const std::string bytes = encoded({.stream = Stream::out, .time_ns = 300, .line = "hi"});
  EXPECT_EQ(bytes, std::string("\0\0\0\x0f"
                               "\x0a\x06stdout\x10\xac\x02\x1a\x02hi"
                               "\0\0\0\x0f",
                               23));
}

TEST(RecordTest, ComesBackWhole) {
  const std::string attributes = encode_attributes({{"a", "1"}, {"b", ""}});
  const std::string bytes = encoded({.stream = Stream::err,
                                     .time_ns = 1'700'000'000'123'456'789,
                                     .line = "text",
                                     .partial = Partial{"abc", 7, true},
                                     .attributes = attributes,
                                     .number = 1234567});
  ASSERT_EQ(record_size(bytes), bytes.size());
  const auto record = decode(bytes);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->stream, Stream::err);
  EXPECT_EQ(record->time_ns, 1'700'000'000'123'456'789);
  EXPECT_EQ(record->line, "text");
  ASSERT_TRUE(record->partial);
  EXPECT_EQ(record->partial->id, "abc");
  EXPECT_EQ(record->partial->ordinal, 7);
  EXPECT_TRUE(record->partial->last);
  EXPECT_EQ(record->number, 1234567U);
  EXPECT_EQ(decode_attributes(record->attributes), (std::map<std::string, std::string>{{"a", "1"}, {"b", ""}}));
}

TEST(RecordTest, DamageIsSeen) {
  const std::string bytes = encoded({.line = "some text"});
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_EQ(record_size(bytes.substr(0, size)), 0U);
  EXPECT_FALSE(record_size(std::string("\0\0\0\0\0\0\0\0", 8)));
  EXPECT_FALSE(record_size("\x7f\xff\xff\xff"));
  for (std::size_t i = 0; i < bytes.size(); ++i) {  // nothing may be read beyond the end
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string broken = bytes;
      broken[i] = static_cast<char>(broken[i] ^ flip);
      if (const auto size = record_size(broken); size && *size == broken.size()) (void)decode(broken);
    }
  }
}

TEST(FormatTest, CountsWholeEntries) {
  const std::string one = encoded({.line = "one"}), two = encoded({.line = ""});
  const Whole whole = whole_entries(Format::local, one + two + one.substr(0, 9));
  EXPECT_EQ(whole.size, one.size() + two.size());
  EXPECT_EQ(whole.count, 2U);
  EXPECT_FALSE(whole.damaged);
  EXPECT_TRUE(whole_entries(Format::local, one + std::string(8, '\0')).damaged);
  EXPECT_EQ(whole_entries(Format::json, "{}\n{}\n{").size, 6U);
  EXPECT_EQ(whole_entries(Format::json, "{}\n{}\n{").count, 2U);
}

class SegmentsTest : public testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) { sys::write_file(path, text); }
  void compress(const std::string& from, const std::string& to) {
    const std::string text = sys::read_file(from);
    gzFile file = ::gzopen(to.c_str(), "wb1");
    ::gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    ::gzclose(file);
    struct stat info{};
    ::stat(from.c_str(), &info);
    const timespec times[2] = {info.st_atim, info.st_mtim};
    ::utimensat(AT_FDCWD, to.c_str(), times, 0);
    sys::remove_file(from);
  }
  std::string content(Segment& segment) {
    std::string out;
    char buffer[1000];
    while (const std::size_t got = segment.read(buffer, sizeof buffer)) out.append(buffer, got);
    return out;
  }
  sys::TemporaryDir folder_{"/tmp", "logfile-test-"};
  std::string path_ = folder_.path() + "/log";
};

TEST_F(SegmentsTest, AreFoundPlainAndCompressed) {
  EXPECT_EQ(oldest_segment(path_), 0);
  EXPECT_FALSE(Segment::open(path_, 0));
  const std::string text(100'000, 'x');
  write(path_, "now");
  write(path_ + ".1", "before");
  write(path_ + ".2", text);
  compress(path_ + ".2", path_ + ".2.gz");
  EXPECT_EQ(oldest_segment(path_), 2);
  auto oldest = Segment::open(path_, 2);
  ASSERT_TRUE(oldest);
  EXPECT_TRUE(oldest->compressed());
  EXPECT_EQ(content(*oldest), text);
  oldest->rewind();
  EXPECT_EQ(content(*oldest), text);
}

TEST_F(SegmentsTest, AreKnownAgainAfterRotationAndCompression) {
  write(path_, "text");
  auto here = Segment::open(path_, 0);
  ASSERT_TRUE(here);
  EXPECT_EQ(find_segment(path_, *here), 0);
  sys::rename(path_, path_ + ".1");
  write(path_, "newer");
  EXPECT_EQ(find_segment(path_, *here), 1);
  compress(path_ + ".1", path_ + ".1.gz");
  EXPECT_EQ(find_segment(path_, *here), 1);
  sys::remove_file(path_ + ".1.gz");
  EXPECT_EQ(find_segment(path_, *here), std::nullopt);
}

TEST_F(SegmentsTest, ADamagedCompressedFileEndsEarly) {
  write(path_ + ".1.gz", "no gzip at all");
  auto broken = Segment::open(path_, 1);
  ASSERT_TRUE(broken);
  EXPECT_EQ(content(*broken), "");
}

}  // namespace
}  // namespace berth::logfile
