#include "cli/commands/reply_file.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::cli {

void copy_reply(Reply& reply, sys::FdRef to) {
  std::string buffer(256 << 10, '\0');
  while (const std::size_t got = reply.read(buffer.data(), buffer.size())) {
    sys::write_all(to, std::string_view{buffer}.substr(0, got));
  }
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
