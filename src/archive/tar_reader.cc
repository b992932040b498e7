#include "archive/tar_reader.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "archive/tar_format.h"
#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::archive {

using namespace format;

namespace {

constexpr std::uint64_t kMaxExtensionBytes = 1 << 20;  // as Go's reader
constexpr std::size_t kMaxSparsePieces = 100'000;
constexpr std::uint64_t kMaxSize = std::numeric_limits<std::int64_t>::max();

Error bad_header() { return invalid("archive/tar: invalid tar header"); }
Error truncated() { return invalid("unexpected EOF"); }

std::uint64_t unsigned_number(std::string_view field) {
  const auto number = format::parse_number(field);
  if (!number || *number < 0) throw bad_header();
  return static_cast<std::uint64_t>(*number);
}

std::uint32_t id_number(std::int64_t number) {
  if (number < 0 || number > std::numeric_limits<std::uint32_t>::max()) throw bad_header();
  return static_cast<std::uint32_t>(number);
}

/// "1350244992.023960108" of a PAX record; may be negative, may have any number of decimals.
TarTime parse_pax_time(std::string_view text) {
  const std::size_t dot = text.find('.');
  const std::string_view whole = text.substr(0, dot);
  const auto seconds = berth::parse_number<std::int64_t>(whole);
  if (!seconds) throw bad_header();
  TarTime time{*seconds, 0};
  if (dot == std::string_view::npos) return time;
  std::string decimals{text.substr(dot + 1, 9)};
  decimals.resize(9, '0');
  const auto nanoseconds = berth::parse_number<std::uint32_t>(decimals);
  if (!nanoseconds) throw bad_header();
  time.nanoseconds = *nanoseconds;
  if (whole.starts_with('-') && time.nanoseconds != 0) {  // -1.25 is -2 s and 0.75
    --time.seconds;
    time.nanoseconds = 1'000'000'000 - time.nanoseconds;
  }
  return time;
}

/// "LENGTH KEY=VALUE\n", LENGTH counting the whole record.
std::pair<std::string, std::string> parse_pax_record(std::string_view& rest) {
  const std::size_t space = rest.find(' ');
  if (space == std::string_view::npos || space > 20) throw bad_header();
  const auto length = berth::parse_number<std::size_t>(rest.substr(0, space));
  if (!length || *length <= space + 1 || *length > rest.size()) throw bad_header();
  const std::string_view record = rest.substr(space + 1, *length - space - 1);
  const std::size_t equals = record.find('=');
  if (equals == std::string_view::npos || equals == 0 || record.back() != '\n') throw bad_header();
  rest.remove_prefix(*length);
  return {std::string{record.substr(0, equals)}, std::string{record.substr(equals + 1, record.size() - equals - 2)}};
}

}  // namespace

struct TarReader::Header {
  char block[kBlock];

  std::string_view all() const { return {block, kBlock}; }
  std::string_view field(Field where) const { return {block + where.offset, where.size}; }
  std::string_view text(Field where) const { return parse_text(field(where)); }
  char type() const { return block[kType.offset]; }
  bool is_ustar() const { return field(kMagic).substr(0, 6) == kUstarMagic.substr(0, 6); }
  bool is_gnu() const { return field(kMagic) == kGnuMagic; }
};

TarReader::TarReader(ByteSource& origin, RawObserver* observer)
    : own_chunks_(std::make_unique<BufferedChunks>(origin)), chunks_(*own_chunks_), observer_(observer) {}

TarReader::TarReader(ChunkSource& origin, RawObserver* observer) : chunks_(origin), observer_(observer) {}

std::string_view TarReader::peek_chunk() {
  if (chunk_.empty()) chunk_ = chunks_.next_chunk();
  return chunk_;
}

void TarReader::take(std::size_t count) { chunk_.remove_prefix(count); }

bool TarReader::read_block(char* block) {
  std::size_t filled = 0;
  while (filled < kBlock) {
    const std::string_view chunk = peek_chunk();
    if (chunk.empty()) {
      if (filled == 0) return false;
      throw truncated();
    }
    const std::size_t count = std::min(chunk.size(), kBlock - filled);
    std::memcpy(block + filled, chunk.data(), count);
    filled += count;
    take(count);
  }
  if (observer_ != nullptr) observer_->raw({block, kBlock});
  return true;
}

std::string_view TarReader::data() {
  if (data_left_ == 0) return {};
  const std::string_view chunk = peek_chunk();
  if (chunk.empty()) throw truncated();
  const std::string_view piece = chunk.substr(0, std::min<std::uint64_t>(chunk.size(), data_left_));
  data_left_ -= piece.size();
  take(piece.size());
  return piece;
}

std::string TarReader::read_all(std::size_t limit_bytes) {
  if (data_left_ > limit_bytes) throw invalid(cat("a file of ", data_left_, " bytes is too large here"));
  std::string text;
  text.reserve(data_left_);
  for (std::string_view piece = data(); !piece.empty(); piece = data()) text.append(piece);
  return text;
}

void TarReader::skip_padding() {
  while (padding_ != 0) {
    const std::string_view chunk = peek_chunk();
    if (chunk.empty()) throw truncated();
    const std::string_view piece = chunk.substr(0, padding_);
    if (observer_ != nullptr) observer_->raw(piece);
    padding_ -= piece.size();
    take(piece.size());
  }
}

void TarReader::finish_entry() {
  while (!data().empty()) {
  }
  skip_padding();
}

void TarReader::drain() {
  for (std::string_view chunk = peek_chunk(); !chunk.empty(); chunk = peek_chunk()) {
    if (observer_ != nullptr) observer_->raw(chunk);
    take(chunk.size());
  }
}

std::string TarReader::read_extension(std::uint64_t size) {
  if (size > kMaxExtensionBytes) throw bad_header();
  data_left_ = size;
  padding_ = (kBlock - size % kBlock) % kBlock;
  std::string text = read_all(kMaxExtensionBytes);
  if (observer_ != nullptr) observer_->raw(text);
  skip_padding();
  return text;
}

std::optional<TarEntry> TarReader::next() {
  if (ended_) return std::nullopt;
  finish_entry();
  Records records;
  std::string long_name, long_link;
  std::uint64_t extensions = 0;
  for (;;) {
    Header header;
    if (!read_block(header.block)) {
      if (extensions != 0) throw truncated();
      ended_ = true;
      return std::nullopt;
    }
    if (std::all_of(header.block, header.block + kBlock, [](char c) { return c == '\0'; })) {
      Header second;
      const bool more = read_block(second.block);
      if (more && std::any_of(second.block, second.block + kBlock, [](char c) { return c != '\0'; }))
        throw bad_header();
      ended_ = true;
      return std::nullopt;
    }
    if (!checksum_matches(header.all())) throw bad_header();
    const char type = header.type();
    if (type == 'x' || type == 'g' || type == 'L' || type == 'K') {
      extensions += kBlock;
      const std::string text = read_extension(unsigned_number(header.field(kSize)));
      extensions += text.size();
      if (extensions > 4 * kMaxExtensionBytes) throw bad_header();  // an endless row of them for one entry
      if (type == 'L') long_name = parse_text(text);
      if (type == 'K') long_link = parse_text(text);
      if (type == 'x') {
        records.clear();
        std::string_view rest = text;
        while (!rest.empty()) {
          auto [key, value] = parse_pax_record(rest);
          // 0.0 sparse maps repeat their keys: gather them as 0.1 writes them.
          if (key == "GNU.sparse.offset" || key == "GNU.sparse.numbytes") {
            std::string& map = records["GNU.sparse.map"];
            map += cat(map.empty() ? "" : ",", value);
          } else {
            records[std::move(key)] = std::move(value);
          }
        }
      }
      continue;
    }
    if (!long_name.empty()) records.try_emplace("path", std::move(long_name));
    if (!long_link.empty()) records.try_emplace("linkpath", std::move(long_link));
    return make_entry(header, records);
  }
}

namespace {

EntryType parse_type(char type, std::string_view path) {
  switch (type) {
    case '\0':
    case '0':
    case '7':
    case 'S':
      // Before there was type 5, a slash at the end made a directory.
      return path.ends_with('/') && type != 'S' ? EntryType::directory : EntryType::file;
    case '1': return EntryType::hard_link;
    case '2': return EntryType::symlink;
    case '3': return EntryType::char_device;
    case '4': return EntryType::block_device;
    case '5': return EntryType::directory;
    case '6': return EntryType::fifo;
    default: throw invalid(cat("unhandled tar header type ", static_cast<int>(type)));
  }
}

void apply_records(const std::map<std::string, std::string>& records, TarEntry& entry, std::uint64_t& size) {
  constexpr std::string_view kXattr = "SCHILY.xattr.";
  for (const auto& [key, value] : records) {
    if (key.starts_with(kXattr)) {
      entry.xattrs.emplace_back(key.substr(kXattr.size()), value);
      continue;
    }
    if (value.empty()) continue;  // an empty value takes a global record back
    const auto number = [&] {
      const auto parsed = berth::parse_number<std::int64_t>(value);
      if (!parsed || *parsed < 0) throw bad_header();
      return *parsed;
    };
    if (key == "path") entry.path = value;
    if (key == "linkpath") entry.link = value;
    if (key == "uname") entry.user = value;
    if (key == "gname") entry.group = value;
    if (key == "size") size = static_cast<std::uint64_t>(number());
    if (key == "uid") entry.uid = id_number(number());
    if (key == "gid") entry.gid = id_number(number());
    if (key == "mtime") entry.mtime = parse_pax_time(value);
  }
}

}  // namespace

TarEntry TarReader::make_entry(const Header& header, const Records& records) {
  TarEntry entry;
  entry.path = header.text(kName);
  if (header.is_ustar() && !header.text(kPrefix).empty()) {
    // star keeps its own times behind a prefix of 131 bytes and says so at the end of the block.
    const bool star = header.all().substr(508, 4) == std::string_view{"tar\0", 4};
    entry.path = cat(header.text({kPrefix.offset, star ? 131 : kPrefix.size}), "/", entry.path);
  }
  entry.link = header.text(kLink);
  entry.mode = static_cast<mode_t>(unsigned_number(header.field(kMode)) & 07777);
  std::uint64_t size = unsigned_number(header.field(kSize));
  entry.uid = id_number(static_cast<std::int64_t>(unsigned_number(header.field(kUid))));
  entry.gid = id_number(static_cast<std::int64_t>(unsigned_number(header.field(kGid))));
  const auto mtime = format::parse_number(header.field(kMtime));
  if (!mtime) throw bad_header();
  entry.mtime.seconds = *mtime;
  if (header.is_ustar() || header.is_gnu()) {
    entry.user = header.text(kUser);
    entry.group = header.text(kGroup);
  }
  apply_records(records, entry, size);
  entry.type = parse_type(header.type(), entry.path);
  if (entry.type == EntryType::char_device || entry.type == EntryType::block_device) {
    entry.device_major = id_number(static_cast<std::int64_t>(unsigned_number(header.field(kMajor))));
    entry.device_minor = id_number(static_cast<std::int64_t>(unsigned_number(header.field(kMinor))));
  }
  if (entry.path.empty() || entry.path.find('\0') != std::string::npos || entry.link.find('\0') != std::string::npos ||
      size > kMaxSize) {
    throw bad_header();
  }
  // Only files have data; the size that some writers note for links and directories counts nothing.
  entry.size = entry.type == EntryType::file ? size : 0;
  data_left_ = entry.size;
  padding_ = (kBlock - entry.size % kBlock) % kBlock;
  if (header.type() == 'S') read_old_sparse_map(header, entry);
  if (entry.type == EntryType::file) read_pax_sparse_map(records, entry);
  if (entry.sparse) check_sparse(entry);
  return entry;
}

void TarReader::read_old_sparse_map(const Header& header, TarEntry& entry) {
  entry.sparse = true;
  entry.real_size = unsigned_number(header.all().substr(kSparseRealSize, 12));
  const auto add_pieces = [&](std::string_view block, std::size_t at, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i, at += 24) {
      if (block[at] == '\0') return;
      entry.pieces.push_back({unsigned_number(block.substr(at, 12)), unsigned_number(block.substr(at + 12, 12))});
    }
  };
  add_pieces(header.all(), kSparsePieces, 4);
  Header extension;
  bool more = header.block[kSparseMore] != '\0';
  while (more) {
    if (!read_block(extension.block) || entry.pieces.size() > kMaxSparsePieces) throw bad_header();
    add_pieces(extension.all(), 0, kSparseExtensionPieces);
    more = extension.block[kSparseExtensionMore] != '\0';
  }
}

void TarReader::read_pax_sparse_map(const Records& records, TarEntry& entry) {
  const auto find = [&](const char* key) -> const std::string* {
    const auto at = records.find(key);
    return at == records.end() ? nullptr : &at->second;
  };
  const std::string* major = find("GNU.sparse.major");
  const std::string* map = find("GNU.sparse.map");
  if (major == nullptr && map == nullptr) return;
  const std::string* real_size = find(major != nullptr ? "GNU.sparse.realsize" : "GNU.sparse.size");
  const auto size = real_size != nullptr ? berth::parse_number<std::uint64_t>(*real_size) : std::nullopt;
  if (!size || (major != nullptr && *major != "1")) throw bad_header();
  entry.sparse = true;
  entry.real_size = *size;
  if (const std::string* name = find("GNU.sparse.name")) entry.path = *name;
  std::vector<std::uint64_t> numbers;
  if (map != nullptr && major == nullptr) {
    for (const std::string& text : split(*map, ',')) {
      const auto number = berth::parse_number<std::uint64_t>(text);
      if (!number) throw bad_header();
      numbers.push_back(*number);
    }
  } else {
    // 1.0: the map stands in front of the data, a number a line, filled up to whole blocks.
    std::string line;
    std::uint64_t wanted = 0;
    const auto complete = [&] { return !numbers.empty() && numbers.size() == 1 + 2 * wanted; };
    while (!complete()) {
      Header block;
      if (data_left_ < kBlock || !read_block(block.block)) throw bad_header();
      data_left_ -= kBlock;
      entry.size -= kBlock;
      for (const char c : block.all()) {
        if (complete()) break;
        if (c != '\n') {
          if (line.size() > 20) throw bad_header();
          line += c;
          continue;
        }
        const auto number = berth::parse_number<std::uint64_t>(line);
        if (!number) throw bad_header();
        if (numbers.empty()) wanted = *number;
        if (wanted > kMaxSparsePieces) throw bad_header();
        numbers.push_back(*number);
        line.clear();
      }
    }
    numbers.erase(numbers.begin());
  }
  if (numbers.size() % 2 != 0 || numbers.size() > 2 * kMaxSparsePieces) throw bad_header();
  for (std::size_t i = 0; i < numbers.size(); i += 2) entry.pieces.push_back({numbers[i], numbers[i + 1]});
}

/// A sparse file makes holes, never data: what its pieces hold must have come in the archive.
void TarReader::check_sparse(TarEntry& entry) const {
  std::uint64_t end = 0, total = 0;
  for (const SparsePiece& piece : entry.pieces) {
    if (piece.offset < end || piece.size > kMaxSize - piece.offset || piece.offset + piece.size > entry.real_size) {
      throw bad_header();
    }
    end = piece.offset + piece.size;
    total += piece.size;
  }
  if (total != entry.size || entry.real_size > kMaxSize) throw bad_header();
}

std::size_t EntrySource::read(char* buffer, std::size_t size) {
  if (rest_.empty()) rest_ = reader_.data();
  const std::size_t count = std::min(size, rest_.size());
  rest_.copy(buffer, count);
  rest_.remove_prefix(count);
  return count;
}

}  // namespace berth::archive
