#include "archive/tar_writer.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "archive/tar_format.h"
#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::archive {

using namespace format;

namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80 && c != '\0'; });
}

/// The largest number that fits a field: its digits and a NUL.
std::uint64_t octal_limit(Field field) { return (std::uint64_t{1} << (3 * (field.size - 1))) - 1; }

void put_octal(char* block, Field field, std::uint64_t number) {
  number = std::min(number, octal_limit(field));
  for (std::size_t i = field.size - 1; i-- > 0; number >>= 3) {
    block[field.offset + i] = static_cast<char>('0' + (number & 7));
  }
}

void put_text(char* block, Field field, std::string_view text) {
  std::memcpy(block + field.offset, text.data(), std::min(text.size(), field.size));
}

/// Where a path that is too long for the name field can be cut for prefix and name.
std::optional<std::size_t> split_point(std::string_view path) {
  if (path.size() > kPrefix.size + 1 + kName.size) return std::nullopt;
  const std::size_t slash = path.rfind('/', std::min(kPrefix.size, path.size() - 2));
  if (slash == std::string_view::npos || slash == 0 || path.size() - slash - 1 > kName.size) return std::nullopt;
  return slash;
}

bool fits_name(std::string_view path) { return path.size() <= kName.size || split_point(path); }

char type_of(EntryType type) {
  switch (type) {
    case EntryType::file: return '0';
    case EntryType::hard_link: return '1';
    case EntryType::symlink: return '2';
    case EntryType::char_device: return '3';
    case EntryType::block_device: return '4';
    case EntryType::directory: return '5';
    case EntryType::fifo: return '6';
  }
  return '0';
}

std::string pax_time(TarTime time) {
  if (time.nanoseconds == 0) return cat(time.seconds);
  std::int64_t seconds = time.seconds;
  std::uint32_t fraction = time.nanoseconds;
  const bool negative = seconds < 0;
  if (negative) {  // -2 s and 0.75 is -1.25
    seconds = -(seconds + 1);
    fraction = 1'000'000'000 - fraction;
  }
  std::string decimals = cat(fraction);
  decimals.insert(0, 9 - decimals.size(), '0');
  while (decimals.ends_with('0')) decimals.pop_back();
  return cat(negative ? "-" : "", seconds, ".", decimals);
}

std::string pax_record(const std::string& key, const std::string& value) {
  const std::size_t rest = key.size() + value.size() + 3;  // space, equals sign, newline
  std::size_t length = rest + cat(rest).size();
  length = rest + cat(length).size();  // counting its own digits may take one more
  return cat(length, " ", key, "=", value, "\n");
}

std::map<std::string, std::string> needed_records(const TarEntry& entry) {
  std::map<std::string, std::string> records;
  if (!is_ascii(entry.path) || !fits_name(entry.path)) records["path"] = entry.path;
  if (!is_ascii(entry.link) || entry.link.size() > kLink.size) records["linkpath"] = entry.link;
  if (!is_ascii(entry.user) || entry.user.size() > kUser.size) records["uname"] = entry.user;
  if (!is_ascii(entry.group) || entry.group.size() > kGroup.size) records["gname"] = entry.group;
  if (entry.size > octal_limit(kSize)) records["size"] = cat(entry.size);
  if (entry.uid > octal_limit(kUid)) records["uid"] = cat(entry.uid);
  if (entry.gid > octal_limit(kGid)) records["gid"] = cat(entry.gid);
  if (entry.mtime.nanoseconds != 0 || entry.mtime.seconds < 0 ||
      static_cast<std::uint64_t>(entry.mtime.seconds) > octal_limit(kMtime)) {
    records["mtime"] = pax_time(entry.mtime);
  }
  for (const auto& [name, value] : entry.xattrs) records[cat("SCHILY.xattr.", name)] = value;
  return records;
}

}  // namespace

void TarWriter::add_dir(const std::string& path, mode_t mode) {
  begin({.type = EntryType::directory, .path = path, .mode = mode, .mtime = time_});
}

void TarWriter::add_file(const std::string& path, std::string_view content, mode_t mode) {
  begin({.path = path, .size = content.size(), .mode = mode, .mtime = time_});
  write(content);
}

void TarWriter::add_symlink(const std::string& path, const std::string& target) {
  begin({.type = EntryType::symlink, .path = path, .link = target, .mode = 0777, .mtime = time_});
}

void TarWriter::add_hard_link(const std::string& path, const std::string& target) {
  begin({.type = EntryType::hard_link, .path = path, .link = target, .mtime = time_});
}

void TarWriter::begin(const TarEntry& given) {
  end_entry();
  TarEntry entry = given;
  if (entry.type == EntryType::directory && !entry.path.ends_with('/')) entry.path += '/';
  if (entry.type != EntryType::file) entry.size = 0;
  const auto records = needed_records(entry);
  if (!records.empty()) write_records(entry, records);
  write_header(entry, type_of(entry.type), !records.empty());
  left_ = entry.size;
  padding_ = (kBlock - entry.size % kBlock) % kBlock;
}

void TarWriter::write_records(const TarEntry& entry, const std::map<std::string, std::string>& records) {
  std::string text;
  for (const auto& [key, value] : records) text += pax_record(key, value);
  // The name that a reader without PAX would give this header: "dir/PaxHeaders.0/file".
  std::string_view path = entry.path;
  while (path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  const std::string name = slash == std::string_view::npos
                               ? cat("PaxHeaders.0/", path)
                               : cat(path.substr(0, slash), "/PaxHeaders.0/", path.substr(slash + 1));
  write_header({.path = name, .size = text.size(), .mode = 0}, 'x', true);
  target_.write(text);
  padding_ = (kBlock - text.size() % kBlock) % kBlock;
  pad();
}

/// `lossy`: a PAX record in front has the right values, so that what does not fit here may be cut.
void TarWriter::write_header(const TarEntry& entry, char type, bool lossy) {
  char block[kBlock] = {};
  std::string name{entry.path};
  if (lossy)
    std::replace_if(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '_');
  if (name.size() <= kName.size) {
    put_text(block, kName, name);
  } else if (const auto cut = split_point(name)) {
    put_text(block, kPrefix, std::string_view{name}.substr(0, *cut));
    put_text(block, kName, std::string_view{name}.substr(*cut + 1));
  } else {
    put_text(block, kName, std::string_view{name}.substr(0, kName.size));
  }
  put_octal(block, kMode, entry.mode & 07777);
  put_octal(block, kUid, entry.uid);
  put_octal(block, kGid, entry.gid);
  put_octal(block, kSize, entry.size);
  put_octal(block, kMtime, entry.mtime.seconds < 0 ? 0 : static_cast<std::uint64_t>(entry.mtime.seconds));
  block[kType.offset] = type;
  put_text(block, kLink, entry.link);
  put_text(block, kMagic, kUstarMagic);
  put_text(block, kUser, entry.user);
  put_text(block, kGroup, entry.group);
  put_octal(block, kMajor, entry.device_major);
  put_octal(block, kMinor, entry.device_minor);
  // Six digits, a NUL and a space: the form of the field since the first tar.
  put_octal(block, {kChecksum.offset, 7}, checksum({block, kBlock}));
  block[kChecksum.offset + 7] = ' ';
  target_.write({block, kBlock});
}

void TarWriter::write(std::string_view data) {
  if (data.size() > left_) throw system_error("tar: more data than the header says");
  left_ -= data.size();
  target_.write(data);
}

bool TarWriter::write_file(int fd, std::uint64_t size) {
  if (size > left_) throw system_error("tar: more data than the header says");
  if (!target_.write_file(fd, 0, size)) return false;
  left_ -= size;
  return true;
}

void TarWriter::pad() {
  static constexpr char kZeros[kBlock] = {};
  if (padding_ != 0) target_.write({kZeros, padding_});
  padding_ = 0;
}

void TarWriter::end_entry() {
  if (left_ != 0) throw system_error("tar: less data than the header says");
  pad();
}

void TarWriter::finish() {
  end_entry();
  target_.write(std::string(2 * kBlock, '\0'));
}

}  // namespace berth::archive
