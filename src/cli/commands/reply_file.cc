#include "cli/commands/reply_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::cli {

namespace {

std::string_view what_is_no_file(std::filesystem::file_type type) {
  using enum std::filesystem::file_type;
  switch (type) {
    case directory: return "a directory";
    case symlink: return "a symbolic link directly";
    case fifo: return "a named pipe (FIFO)";
    case socket: return "a socket";
    case character: return "a character device file";
    case block: return "a block device file";
    default: return "";
  }
}

}  // namespace

void copy_reply(Reply& reply, sys::FdRef to) {
  std::string buffer(256 << 10, '\0');
  while (const std::size_t got = reply.read(buffer.data(), buffer.size())) {
    sys::write_all(to, std::string_view{buffer}.substr(0, got));
  }
}

void check_output(const std::string& path, std::string_view doing) {
  const std::filesystem::path place{path};
  const std::string folder = place.parent_path().string();
  std::error_code code;
  if (!folder.empty() && !std::filesystem::exists(folder, code)) {
    throw invalid(cat(doing, ": invalid output path: stat ", folder, ": no such file or directory"));
  }
  if (!folder.empty() && !std::filesystem::is_directory(folder, code)) {
    throw invalid(cat(doing, ": invalid output path: stat ", folder, ": not a directory"));
  }
  // Not followed, since the rename in the end would not either: it would put a file in the place of /dev/null.
  const std::string_view kind = what_is_no_file(std::filesystem::symlink_status(place, code).type());
  if (!kind.empty()) throw invalid(cat(doing, ": cannot write to ", kind));
}

void save_reply(Reply& reply, const std::string& path) {
  const std::string partial = cat(path, ".partial-", ::getpid());
  try {
    const sys::UniqueFd file = sys::open_file(partial, O_WRONLY | O_CREAT | O_EXCL, 0600);
    copy_reply(reply, file);
    sys::rename(partial, path);
  } catch (...) {
    sys::remove_file(partial);
    throw;
  }
}

}  // namespace berth::cli
