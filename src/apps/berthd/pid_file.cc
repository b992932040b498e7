#include "apps/berthd/pid_file.h"

#include <unistd.h>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth {

namespace {

/// A number that a dead daemon left behind may belong to any process by now: only a daemon counts.
bool is_daemon(pid_t pid) {
  const std::string name{trim(sys::read_file_if_exists(cat("/proc/", pid, "/comm")).value_or(""))};
  if (name != "berthd" && name != "dockerd") return false;
  // One that was killed and not yet reaped is over. Its state stands behind the name in brackets.
  const std::string stat = sys::read_file_if_exists(cat("/proc/", pid, "/stat")).value_or("");
  const std::size_t state = stat.rfind(") ");
  return state != std::string::npos && stat.compare(state + 2, 1, "Z") != 0 && stat.compare(state + 2, 1, "X") != 0;
}

}  // namespace

PidFile::PidFile(std::string path) : path_(std::move(path)) {
  if (path_.empty()) return;
  if (const std::optional<std::string> old = sys::read_file_if_exists(path_)) {
    const auto pid = parse_number<pid_t>(trim(*old));
    if (pid && *pid > 0 && *pid != ::getpid() && is_daemon(*pid)) {
      path_.clear();  // not ours to remove
      throw conflict(cat("failed to start daemon: process with PID ", *pid, " is still running"));
    }
  }
  const std::size_t slash = path_.rfind('/');
  if (slash != std::string::npos && slash > 0) sys::ensure_dir(path_.substr(0, slash));
  sys::write_file(path_, cat(::getpid()));
}

PidFile::~PidFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

}  // namespace berth
