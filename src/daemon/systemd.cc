#include "daemon/systemd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "base/sys/process.h"

namespace berth::daemon {

void notify_service_manager(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");  // NOLINT(concurrency-mt-unsafe): nobody sets the environment
  if (path == nullptr || (*path != '/' && *path != '@')) return;
  sockaddr_un address{};
  const std::size_t size = std::strlen(path);
  if (size >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path, size);
  if (*path == '@') address.sun_path[0] = '\0';  // an abstract name
  const sys::UniqueFd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!socket) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), length);
}

bool machine_is_stopping() {
  if (!sys::exists("/run/systemd/system")) return false;
  try {
    return trim(sys::run_command({"systemctl", "is-system-running"}).output) == "stopping";
  } catch (const Error&) {  // no systemctl, or it could not be started: nobody to ask
    return false;
  }
}

std::vector<sys::UniqueFd> take_listen_fds() {
  constexpr int kFirst = 3;
  std::vector<sys::UniqueFd> fds;
  const char* pid = std::getenv("LISTEN_PID");    // NOLINT(concurrency-mt-unsafe)
  const char* count = std::getenv("LISTEN_FDS");  // NOLINT(concurrency-mt-unsafe)
  if (pid != nullptr && count != nullptr && parse_number<pid_t>(pid) == ::getpid()) {
    for (int i = 0; i < parse_number<int>(count).value_or(0); ++i) {
      if (::fcntl(kFirst + i, F_SETFD, FD_CLOEXEC) == 0) fds.emplace_back(kFirst + i);
    }
  }
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"})
    ::unsetenv(name);  // NOLINT(concurrency-mt-unsafe)
  return fds;
}

}  // namespace berth::daemon
