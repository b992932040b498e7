#include "archive/compression.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "archive/chunks.h"
#include "archive/digest.h"
#include "base/core/error.h"

namespace berth::archive {
namespace {

std::string gzip(const std::string& text) {
  std::string out(compressBound(text.size()) + 64, '\0');
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  StringSink sink;
  ZstdSink compressor{sink};
  compressor.write(text);
  compressor.finish();
  return sink.text;
}

std::string quick_gzip(const std::string& text) {
  StringSink sink;
  GzipSink compressor{sink};
  for (std::size_t at = 0; at < text.size(); at += 100'000)
    compressor.write(std::string_view{text}.substr(at, 100'000));
  compressor.finish();
  return sink.text;
}

std::string plain(const std::string& packed) {
  StringSource source{packed};
  PeekedSource peeked{source};
  const auto unpacked = decompress(peeked, detect_compression(peeked.peek(6)));
  std::string out;
  char buffer[1000];
  while (const std::size_t got = unpacked->read(buffer, sizeof buffer)) out.append(buffer, got);
  return out;
}

std::string text_of(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; text.size() < size; ++i) text += std::to_string(i * i) + " ";
  return text;
}

TEST(Decompress, KnowsItsFormatsByTheirFirstBytes) {
  const std::string text = text_of(300'000);
  EXPECT_EQ(plain(text), text);
  EXPECT_EQ(plain(gzip(text)), text);
  EXPECT_EQ(plain(zstd(text)), text);
}

TEST(GzipSink, IsReadAsOneStreamWhateverItsLength) {
  for (const std::size_t size : {0, 1, 524'287, 524'288, 524'289, 3'000'000}) {
    const std::string text = text_of(size).substr(0, size);
    const std::string packed = quick_gzip(text);
    EXPECT_EQ(plain(packed), text) << size;
    EXPECT_EQ(packed, quick_gzip(text)) << size;
  }
}

TEST(GzipSink, SaysThatItMadeIt) {
  const std::string ours = quick_gzip("text");
  EXPECT_TRUE(GzipSink::has_made(ours.substr(0, GzipSink::kHeadBytes)));
  EXPECT_FALSE(GzipSink::has_made(ours.substr(0, GzipSink::kHeadBytes - 1)));
  EXPECT_FALSE(GzipSink::has_made(gzip("text")));
  EXPECT_FALSE(GzipSink::has_made(zstd("text")));
}

/// Layers that were pushed are not kept compressed, because they can be made again with the same digest. When the
/// library makes other bytes by now, kHead's form has to count on, so that the old ones are not taken for ours.
TEST(GzipSink, MakesTheSameBytesAsEver) {
  EXPECT_EQ(sha256(quick_gzip(text_of(1'000'000))),
            "sha256:0edf652170c3828a9ffedd76f63b56aaee3963bb38a4c941bc795e33f60867ba");
}

TEST(Decompress, MembersAndFramesInARowAreOneText) {
  EXPECT_EQ(plain(gzip("one ") + gzip("two")), "one two");
  EXPECT_EQ(plain(zstd("one ") + zstd("two")), "one two");
  EXPECT_EQ(plain(gzip("one") + std::string(100, '\0')), "one");  // padding
}

TEST(Decompress, TruncationIsAnError) {
  const std::string text = text_of(100'000);
  for (const std::string& packed : {gzip(text), zstd(text)}) {
    for (std::size_t cut : {packed.size() / 2, packed.size() - 1}) {
      try {
        plain(packed.substr(0, cut));
        FAIL() << "no error at " << cut;
      } catch (const Error& error) {
        EXPECT_EQ(error.text(), "unexpected EOF");
      }
    }
  }
}

TEST(Decompress, DamageIsAnError) {
  std::string packed = gzip(text_of(100'000));
  packed[packed.size() / 2] ^= 0x55;
  EXPECT_THROW(plain(packed), Error);
}

TEST(Decompress, Bzip2AndXzAreRefusedByName) {
  EXPECT_THROW(plain("BZh91AY&SY"), Error);
  EXPECT_THROW(plain(std::string("\xFD\x37\x7A\x58\x5A\x00", 6)), Error);
}

TEST(ParallelHashingSink, PassesAllOnAndHashesIt) {
  std::string bytes(1 << 20, 'a');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 / 7);
  StringSink target;
  ParallelHashingSink sink{target};
  std::string_view rest = bytes;
  for (std::size_t size = 1; !rest.empty(); size *= 3) {  // small pieces and large ones
    sink.write(rest.substr(0, size));
    rest.remove_prefix(std::min(size, rest.size()));
  }
  EXPECT_TRUE(target.text == bytes);
  EXPECT_EQ(sink.finish(), sha256(bytes));
}

TEST(ParallelHashingSink, AFailureOfTheTargetLeavesNobodyWithTheBytes) {
  class Full : public ByteSink {
   public:
    void write(std::string_view) override { throw system_error("no space left on device"); }
  } full;
  ParallelHashingSink sink{full};
  {
    const std::string bytes(4 << 20, 'x');
    EXPECT_THROW(sink.write(bytes), Error);
  }
}

TEST(ReadAhead, GivesAllBytesAndThenTheFailure) {
  struct Failing : ByteSource {
    std::size_t read(char* buffer, std::size_t size) override {
      if (++calls > 40) throw invalid("broken");
      buffer[0] = 'x';
      return size > 0 ? 1 : 0;
    }
    int calls = 0;
  } source;
  ReadAhead chunks{source, 8, 2};
  std::size_t total = 0;
  try {
    for (;;) total += chunks.next_chunk().size();
  } catch (const Error& error) {
    EXPECT_EQ(error.text(), "broken");
  }
  EXPECT_EQ(total, 40u);
}

TEST(ReadAhead, CanBeLeftInTheMiddle) {
  const std::string text(1 << 20, 'x');
  StringSource source{text};
  ReadAhead chunks{source, 1000, 3};
  EXPECT_EQ(chunks.next_chunk().size(), 1000u);
}

TEST(Digester, OfNothing) {
  EXPECT_EQ(sha256(""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace
}  // namespace berth::archive
