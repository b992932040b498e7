#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>

#include "base/core/error.h"
#include "base/core/text.h"
#include "logsink/fluentd.h"
#include "logsink/gelf.h"
#include "logsink/journal.h"
#include "logsink/syslog.h"

namespace berth::logsink {
namespace {

using logfile::Partial;
using logfile::Record;
using logfile::Stream;

constexpr std::int64_t kTime = 1'700'000'000'250'000'000;  // 2023-11-14 22:13:20.25 UTC

Config config(std::string driver, std::string network = "udp") {
  Config made;
  made.driver = std::move(driver);
  made.network = std::move(network);
  made.tag = "tag";
  made.host_name = "host";
  made.container_id = "0123";
  made.container_name = "/name";
  return made;
}

std::vector<std::string> encoded(Encoder& encoder, const Record& record) {
  Messages messages;
  encoder.encode(record, messages);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < messages.count(); ++i) out.emplace_back(messages.message(i));
  return out;
}

struct SyslogTest : testing::Test {
  void SetUp() override {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
  }
  std::string text(std::string format, Stream stream = Stream::out, std::string network = "udp") {
    Config with = config("syslog", std::move(network));
    with.format = std::move(format);
    with.facility = 16;
    SyslogEncoder encoder{with};
    return encoded(encoder, {.stream = stream, .time_ns = kTime, .line = "hello"}).at(0);
  }
  std::string pid = cat(::getpid());
};

TEST_F(SyslogTest, FormatsAsDockerDoes) {
  EXPECT_EQ(text(""), cat("<134>Nov 14 22:13:20 tag[", pid, "]: hello\n"));
  EXPECT_EQ(text("", Stream::err), cat("<131>Nov 14 22:13:20 tag[", pid, "]: hello\n"));
  EXPECT_EQ(text("rfc3164"), cat("<134>Nov 14 22:13:20 host tag[", pid, "]: hello\n"));
  EXPECT_EQ(text("rfc5424"), cat("<134>1 2023-11-14T22:13:20Z host tag ", pid, " tag - hello\n"));
  EXPECT_EQ(text("rfc5424micro"), cat("<134>1 2023-11-14T22:13:20.250000Z host tag ", pid, " tag - hello\n"));
}

TEST_F(SyslogTest, OnTlsTheLengthStandsInFront) {
  const std::string message = text("rfc5424", Stream::out, "tcp+tls");
  const std::size_t space = message.find(' ');
  EXPECT_EQ(message.substr(0, space), cat(message.size() - space - 1));
  EXPECT_TRUE(text("", Stream::out, "tcp+tls").starts_with('<'));
}

TEST_F(SyslogTest, ZonesHaveOffsets) {
  ::setenv("TZ", "XXX-05:30", 1);
  ::tzset();
  EXPECT_NE(text("rfc5424").find("2023-11-15T03:43:20+05:30"), std::string::npos);
}

TEST_F(SyslogTest, AnEmptyLineIsNoEvent) {
  SyslogEncoder encoder{config("syslog")};
  EXPECT_TRUE(encoded(encoder, {.line = ""}).empty());
}

TEST(FluentdTest, IsMessagePack) {
  Config with = config("fluentd", "tcp");
  FluentdEncoder encoder{with};
  const std::string message = encoded(encoder, {.time_ns = kTime, .line = "hi"}).at(0);
  const std::string head = std::string("\x94\xa3tag\xd3\0\0\0\0\x65\x53\xf1\x00", 14);
  EXPECT_EQ(message.substr(0, 14), head);
  EXPECT_EQ(message.substr(14),
            "\x84\xac"
            "container_id\xa4"
            "0123\xae"
            "container_name\xa5/name\xa3"
            "log\xa2hi\xa6"
            "source\xa6stdout\x80");
}

TEST(FluentdTest, ManyFieldsAndLongTextHaveLongerHeads) {
  Config with = config("fluentd", "tcp");
  for (int i = 0; i < 20; ++i) with.fields[cat("field", i)] = "x";
  with.sub_second = true;
  FluentdEncoder encoder{with};
  const std::string text(70'000, 'x');
  const std::string message =
      encoded(encoder, {.time_ns = kTime, .line = text, .partial = Partial{"id", 2, true}}).at(0);
  EXPECT_EQ(message.substr(5, 10), std::string("\xd7\0\x65\x53\xf1\x00\x0e\xe6\xb2\x80", 10));
  EXPECT_EQ(message.substr(15, 3), std::string("\xde\0\x1c", 3));  // 4 + 20 + 4 fields
  EXPECT_NE(message.find(std::string("\xa3log\xdb\0\x01\x11\x70", 9)), std::string::npos);
  EXPECT_NE(message.find("\xaf"
                         "partial_ordinal\xa1"
                         "2"),
            std::string::npos);
  EXPECT_NE(message.find("\xac"
                         "partial_last\xa4true"),
            std::string::npos);
}

TEST(FluentdTest, AcknowledgementsAreTaken) {
  std::string bytes =
      "\x81\xa3"
      "ack\xa4"
      "abcd\x81\xa3"
      "ack\xd9\x02"
      "xy";
  EXPECT_EQ(take_ack(bytes), "abcd");
  std::string first = bytes.substr(0, bytes.size() - 1);
  EXPECT_EQ(take_ack(first), std::nullopt);
  EXPECT_EQ(take_ack(bytes), "xy");
  EXPECT_EQ(take_ack(bytes), std::nullopt);
  std::string nonsense = "HTTP/1.1 400";
  EXPECT_THROW(take_ack(nonsense), Error);
}

Config gelf_config(std::string network, std::string compression) {
  Config with = config("gelf", std::move(network));
  with.compression = std::move(compression);
  with.json_fields = R"("_tag":"tag")";
  return with;
}

TEST(GelfTest, IsJsonAndZeroOnTcp) {
  GelfEncoder encoder{gelf_config("tcp", "gzip")};
  EXPECT_EQ(encoded(encoder, {.stream = Stream::err, .time_ns = kTime, .line = "a\"\t\x01\xff"}).at(0),
            std::string(R"({"version":"1.1","host":"host","short_message":"a\"\t\u0001)"
                        "\xef\xbf\xbd"
                        R"(","timestamp":1700000000.25,"level":3,"_tag":"tag"})") +
                '\0');
  EXPECT_TRUE(encoded(encoder, {.line = ""}).empty());
}

TEST(GelfTest, IsCompressedOnUdp) {
  GelfEncoder plain{gelf_config("udp", "none")};
  const std::string json = encoded(plain, {.time_ns = kTime, .line = "hello"}).at(0);
  for (const auto& [name, window] : {std::pair{"gzip", 15 + 16}, std::pair{"zlib", 15}}) {
    GelfEncoder encoder{gelf_config("udp", name)};
    std::string data = encoded(encoder, {.time_ns = kTime, .line = "hello"}).at(0);
    std::string out(1000, 0);
    z_stream stream{};
    ASSERT_EQ(::inflateInit2(&stream, window), Z_OK);
    stream.next_in = reinterpret_cast<Bytef*>(data.data());
    stream.avail_in = static_cast<uInt>(data.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(::inflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    ::inflateEnd(&stream);
    EXPECT_EQ(out, json);
  }
}

TEST(GelfTest, IsCutIntoChunks) {
  GelfEncoder encoder{gelf_config("udp", "none")};
  const std::string text(5000, 'x');
  const std::vector<std::string> chunks = encoded(encoder, {.time_ns = kTime, .line = text});
  ASSERT_EQ(chunks.size(), 4U);
  std::string whole;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    EXPECT_LE(chunks[i].size(), 1420U);
    EXPECT_EQ(chunks[i].substr(0, 2), "\x1e\x0f");
    EXPECT_EQ(chunks[i].substr(2, 8), chunks[0].substr(2, 8));
    EXPECT_EQ(chunks[i][10], static_cast<char>(i));
    EXPECT_EQ(chunks[i][11], 4);
    whole += chunks[i].substr(12);
  }
  EXPECT_NE(whole.find(text), std::string::npos);
  const std::string too_long(200'000, 'x');
  Messages out;
  EXPECT_THROW(encoder.encode({.time_ns = kTime, .line = too_long}, out), Error);
}

TEST(JournalTest, HasLengthsForLinesInValues) {
  Config with = config("journald", "unixgram");
  with.fields = {{"A", "1"}, {"B", "x\ny"}};
  JournalEncoder encoder{with};
  EXPECT_EQ(
      encoded(encoder, {.time_ns = kTime, .line = "hello", .partial = Partial{"id", 1, false}, .number = 7}).at(0),
      std::string("PRIORITY=6\nMESSAGE=hello\nA=1\nB\n\3\0\0\0\0\0\0\0x\ny\n", 43) +
          "SYSLOG_TIMESTAMP=2023-11-14T22:13:20.25Z\nCONTAINER_LOG_ORDINAL=7\nCONTAINER_PARTIAL_ID=id\n"
          "CONTAINER_PARTIAL_ORDINAL=1\nCONTAINER_PARTIAL_LAST=false\nCONTAINER_PARTIAL_MESSAGE=true\n");
}

}  // namespace
}  // namespace berth::logsink
