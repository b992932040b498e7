#include "logfile/cursor.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::logfile {
namespace {

constexpr std::uint64_t kMagic = 0x726f737275436742;  // "BgCursor"
using Words = std::array<std::uint64_t, 3>;

}  // namespace

std::string cursor_path(const std::string& log_path) { return cat(log_path, ".cursor"); }

Cursor read_cursor(const std::string& log_path) {
  const sys::UniqueFd file{::open(cursor_path(log_path).c_str(), O_RDONLY | O_CLOEXEC)};
  Words words{};
  if (!file || ::pread(file.get(), words.data(), sizeof words, 0) != sizeof words || words[0] != kMagic) return {};
  return {.next = words[1], .dropped = words[2]};
}

void write_cursor(sys::FdRef file, const Cursor& cursor) {
  const Words words{kMagic, cursor.next, cursor.dropped};
  if (::pwrite(file.get(), words.data(), sizeof words, 0) != sizeof words) throw errno_error("write", "log cursor");
}

}  // namespace berth::logfile
