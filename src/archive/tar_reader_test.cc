#include "archive/tar_reader.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "archive/tar_format.h"
#include "archive/tar_writer.h"
#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::archive {
namespace {

using Entries = std::vector<std::pair<TarEntry, std::string>>;

Entries read(const std::string& tar, RawObserver* observer = nullptr) {
  StringSource source{tar};
  TarReader reader{source, observer};
  Entries entries;
  while (auto entry = reader.next()) entries.emplace_back(*entry, reader.read_all(1 << 20));
  reader.drain();
  return entries;
}

std::string error_of(const std::string& tar) {
  try {
    read(tar);
  } catch (const Error& error) {
    return error.text();
  }
  return "none";
}

std::string written(const TarEntry& entry, std::string_view data = {}) {
  StringSink sink;
  TarWriter tar{sink};
  tar.begin(entry);
  tar.write(data);
  tar.finish();
  return sink.text;
}

/// A header by hand, for what the writer would never write.
std::string header(std::string_view name, char type, std::uint64_t size, std::string_view magic = format::kUstarMagic) {
  std::string block(512, '\0');
  const auto put = [&](format::Field field, std::string_view text) { block.replace(field.offset, text.size(), text); };
  const auto octal = [](std::uint64_t number, std::size_t digits) {
    std::string text(digits, '0');
    for (std::size_t i = digits; i-- > 0; number >>= 3) text[i] = static_cast<char>('0' + (number & 7));
    return text;
  };
  put(format::kName, name);
  put(format::kMode, "0000644");
  put(format::kSize, octal(size, 11));
  put(format::kMagic, magic);
  block[format::kType.offset] = type;
  put(format::kChecksum, octal(format::checksum(block), 6));
  return block;
}

std::string padded(std::string text) {
  text.resize((text.size() + 511) / 512 * 512, '\0');
  return text;
}

const std::string kEnd(1024, '\0');

TEST(TarReader, ReadsWhatTheWriterWrites) {
  TarEntry entry{.path = "etc/passwd",
                 .size = 5,
                 .mode = 04755,
                 .uid = 1000,
                 .gid = 3,
                 .user = "me",
                 .group = "us",
                 .mtime = {1'700'000'000, 0}};
  const auto [read_entry, data] = read(written(entry, "hello")).at(0);
  EXPECT_EQ(read_entry.path, "etc/passwd");
  EXPECT_EQ(read_entry.mode, 04755u);
  EXPECT_EQ(read_entry.uid, 1000u);
  EXPECT_EQ(read_entry.user, "me");
  EXPECT_EQ(read_entry.mtime, entry.mtime);
  EXPECT_EQ(data, "hello");
}

TEST(TarReader, PaxRecordsCarryWhatTheHeaderCannot) {
  TarEntry entry{.path = std::string(300, 'p') + "/ü",
                 .link = "",
                 .uid = 4'000'000'000,
                 .mtime = {-2, 750'000'000},
                 .xattrs = {{"security.capability", std::string("\x01\0\n=", 4)}}};
  const TarEntry back = read(written(entry)).at(0).first;
  EXPECT_EQ(back.path, entry.path);
  EXPECT_EQ(back.uid, 4'000'000'000u);
  EXPECT_EQ(back.mtime, entry.mtime);
  EXPECT_EQ(back.xattrs, entry.xattrs);
}

TEST(TarReader, ALongPathIsCutAtASlashWhereItCan) {
  const std::string path = std::string(90, 'a') + "/" + std::string(90, 'b');
  const std::string tar = written({.path = path});
  EXPECT_EQ(tar.size(), 512u + 1024u);  // no PAX header
  EXPECT_EQ(read(tar).at(0).first.path, path);
}

TEST(TarReader, GnuLongNamesAndLinks) {
  const std::string name(200, 'n'), link(300, 'l');
  const std::string tar = header("././@LongLink", 'L', name.size() + 1, format::kGnuMagic) + padded(name + '\0') +
                          header("././@LongLink", 'K', link.size() + 1, format::kGnuMagic) + padded(link + '\0') +
                          header("short", '2', 0, format::kGnuMagic) + kEnd;
  const TarEntry entry = read(tar).at(0).first;
  EXPECT_EQ(entry.path, name);
  EXPECT_EQ(entry.link, link);
}

TEST(TarReader, GlobalHeadersChangeNothing) {
  const std::string record = "20 path=somewhere/x\n";
  const std::string tar = header("pax_global_header", 'g', record.size()) + padded(record) + header("a", '0', 0) + kEnd;
  EXPECT_EQ(read(tar).at(0).first.path, "a");
}

TEST(TarReader, AWrongChecksumIsAnInvalidHeader) {
  std::string tar = written({.path = "a"});
  tar[3] = 'x';
  EXPECT_EQ(error_of(tar), "archive/tar: invalid tar header");
}

TEST(TarReader, TruncationIsSeenAnywhere) {
  const std::string tar = written({.path = std::string(300, 'p'), .size = 1000}, std::string(1000, 'd'));
  for (std::size_t size : {std::size_t{100}, std::size_t{600}, std::size_t{1024}, tar.size() - 1024 - 1}) {
    EXPECT_EQ(error_of(tar.substr(0, size)), "unexpected EOF") << size;
  }
}

TEST(TarReader, BrokenPaxRecordsAreRefused) {
  for (const std::string record : {"9999999 path=x\n", "5 path=x\n", "x path=x\n", "12 path=xyz ", "8 =value\n"}) {
    EXPECT_EQ(error_of(header("x", 'x', record.size()) + padded(record) + header("a", '0', 0) + kEnd),
              "archive/tar: invalid tar header")
        << record;
  }
}

TEST(TarReader, AnExtensionCannotEatTheMemory) {
  EXPECT_EQ(error_of(header("x", 'x', 2ULL << 30)), "archive/tar: invalid tar header");
  std::string endless;
  const std::string record = padded("1048576 a=" + std::string(1048565, 'b') + "\n");
  for (int i = 0; i < 6; ++i) endless += header("x", 'x', 1048576) + record;
  EXPECT_EQ(error_of(endless + header("a", '0', 0) + kEnd), "archive/tar: invalid tar header");
}

TEST(TarReader, OldSparseFilesKeepTheirHoles) {
  std::string block = header("sparse", 'S', 4, format::kGnuMagic);
  const auto put = [&](std::size_t at, std::string_view text) { block.replace(at, text.size(), text); };
  put(format::kSparsePieces, "00000010000");       // offset 4096
  put(format::kSparsePieces + 12, "00000000004");  // size 4
  put(format::kSparseRealSize, "00000020000");     // 8192 in all
  put(format::kChecksum.offset, std::string(8, ' '));
  std::string sum(6, '0');
  std::uint32_t number = format::checksum(block);
  for (std::size_t i = 6; i-- > 0; number >>= 3) sum[i] = static_cast<char>('0' + (number & 7));
  put(format::kChecksum.offset, sum);
  const auto [entry, data] = read(block + padded("data") + kEnd).at(0);
  EXPECT_TRUE(entry.sparse);
  EXPECT_EQ(entry.real_size, 8192u);
  ASSERT_EQ(entry.pieces.size(), 1u);
  EXPECT_EQ(entry.pieces[0].offset, 4096u);
  EXPECT_EQ(data, "data");
}

std::string pax_sparse(const std::string& map, std::uint64_t real_size, const std::string& data) {
  const auto record = [](const std::string& text) {
    return cat(text.size() + 4, " ", text, "\n");
  };  // two-digit lengths
  const std::string records = record("GNU.sparse.major=1") + record("GNU.sparse.minor=0") +
                              record("GNU.sparse.name=real") + record(cat("GNU.sparse.realsize=", real_size));
  const std::string content = padded(map) + data;
  return header("x", 'x', records.size()) + padded(records) + header("stored", '0', content.size()) + padded(content) +
         kEnd;
}

TEST(TarReader, NewSparseFilesToo) {
  const auto [entry, data] = read(pax_sparse("2\n0\n1\n4096\n3\n", 5000, "abcd")).at(0);
  EXPECT_EQ(entry.path, "real");
  EXPECT_EQ(entry.size, 4u);
  ASSERT_EQ(entry.pieces.size(), 2u);
  EXPECT_EQ(entry.pieces[1].offset, 4096u);
  EXPECT_EQ(data, "abcd");
}

TEST(TarReader, ASparseMapThatClaimsMoreDataThanThereIsIsRefused) {
  EXPECT_EQ(error_of(pax_sparse("1\n0\n999999999\n", 1ULL << 40, "abcd")), "archive/tar: invalid tar header");
  EXPECT_EQ(error_of(pax_sparse("99999999\n0\n1\n", 5000, "abcd")), "archive/tar: invalid tar header");
  EXPECT_EQ(error_of(pax_sparse("2\n0\n2\n1\n2\n", 5000, "abcd")), "archive/tar: invalid tar header");  // overlapping
}

TEST(TarReader, NumbersInBase256) {
  std::string field(12, '\0');
  field[0] = static_cast<char>(0x80);
  field[7] = 0x02;
  EXPECT_EQ(format::parse_number(field), 0x0200000000LL);
  EXPECT_EQ(format::parse_number(std::string(12, '\xFF')), -1);
  field[1] = 0x7F;
  EXPECT_EQ(format::parse_number(field), std::nullopt);  // does not fit 63 bits
}

TEST(TarReader, TheObserverSeesAllButTheData) {
  struct Collect : RawObserver {
    void raw(std::string_view bytes) override { text.append(bytes); }
    std::string text;
  } seen;
  const std::string tar = written({.path = std::string(300, 'p'), .size = 3}, "abc") + std::string(777, 'z');
  read(tar, &seen);
  EXPECT_EQ(seen.text.size(), tar.size() - 3);
}

}  // namespace
}  // namespace berth::archive
