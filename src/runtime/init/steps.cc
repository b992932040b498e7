#include "runtime/init/steps.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::runtime::init {

void close_all_but(std::vector<int> kept) {
  std::ranges::sort(kept);
  unsigned first = 3;
  for (const int fd : kept) {
    if (fd < 3) continue;
    if (static_cast<unsigned>(fd) > first) ::close_range(first, static_cast<unsigned>(fd) - 1, 0);
    first = static_cast<unsigned>(fd) + 1;
  }
  ::close_range(first, ~0U, 0);
}

/// Through the host's /proc, which is the real one (CVE-2025-52881) and shows the namespaces of whoever opens.
void write_sysctls(const std::map<std::string, std::string>& sysctls) {
  if (sysctls.empty()) return;
  const sys::UniqueFd folder = sys::open_file("/proc/sys", O_PATH | O_DIRECTORY);
  for (const auto& [name, value] : sysctls) {
    std::string path = name;
    if (path.find('/') == std::string::npos) std::ranges::replace(path, '.', '/');
    if (path.find("..") != std::string::npos) throw invalid(cat("invalid sysctl ", quoted(name)));
    try {
      sys::write_control(folder, path, value);
    } catch (Error& error) {
      error.during(cat("setting sysctl ", name));
      throw;
    }
  }
}

void begin() {
  // Other processes of the container must not reach this one's memory and executable (CVE-2019-5736, CVE-2016-9962);
  // execve makes it dumpable again.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) throw errno_error("prctl PR_SET_DUMPABLE", "");
  reset_signals();
  ::setsid();  // a program without a terminal leads a session, too
  ::umask(0);
}

}  // namespace berth::runtime::init
