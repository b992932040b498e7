// berth-shim ID: one container's monitor. Descriptor 3 is the control connection, 4 the request (see
// runtime/shim/protocol.h). Its command line has nothing but the container's full ID, so that `ps` shows whose it is.

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/sys/fd.h"
#include "runtime/shim/monitor.h"

int main(int argc, char** argv) {
  constexpr int kControl = 3, kRequest = 4;
  if (argc != 2 || ::fcntl(kControl, F_SETFD, FD_CLOEXEC) != 0 || ::fcntl(kRequest, F_SETFD, FD_CLOEXEC) != 0) {
    constexpr char kUsage[] = "usage: berth-shim CONTAINER-ID, started by berthd\n";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kUsage, sizeof kUsage - 1);
    return 2;
  }
  (void)argv;
  ::prctl(PR_SET_NAME, "berth-shim");  // executed from a sealed memory file, its name would be a number
  ::setsid();
  try {
    berth::runtime::shim::Monitor monitor{berth::sys::UniqueFd{kControl}, berth::sys::UniqueFd{kRequest}};
    return monitor.run();
  } catch (const std::exception& error) {
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, error.what(), std::char_traits<char>::length(error.what()));
    return 1;
  }
}
