// berth-shim ID: one container's monitor. Descriptor 3 is the control connection, 4 the request, 5 the
// socket for later connections (see runtime/shim/protocol.h). Its command line has nothing but the container's full ID,
// so that `ps` shows whose it is, and "files" behind it when it only holds the mounts of a container that does not run.

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

#include "base/sys/fd.h"
#include "runtime/shim/files.h"
#include "runtime/shim/monitor.h"

#if __has_feature(address_sanitizer)
/// LeakSanitizer asks at the end. Its helper would be born into a container's pid namespace once that was joined.
extern "C" int __lsan_is_turned_off() {  // NOLINT: the name is the sanitizer's
  struct stat own{}, of_children{};
  return ::stat("/proc/self/ns/pid", &own) != 0 || ::stat("/proc/self/ns/pid_for_children", &of_children) != 0 ||
         own.st_ino != of_children.st_ino;
}
#endif

int main(int argc, char** argv) {
  constexpr int kControl = 3, kRequest = 4, kListener = 5;
  const bool files = argc == 3 && argv[2] == std::string_view{"files"};
  if ((argc != 2 && !files) || ::fcntl(kControl, F_SETFD, FD_CLOEXEC) != 0 ||
      ::fcntl(kRequest, F_SETFD, FD_CLOEXEC) != 0 || (!files && ::fcntl(kListener, F_SETFD, FD_CLOEXEC) != 0)) {
    constexpr char kUsage[] = "usage: berth-shim CONTAINER-ID, started by berthd\n";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kUsage, sizeof kUsage - 1);
    return 2;
  }
  ::prctl(PR_SET_NAME, "berth-shim");  // executed from a sealed memory file, its name would be a number
  ::setsid();
  try {
    if (files) {
      return berth::runtime::shim::hold_files(berth::sys::UniqueFd{kControl}, berth::sys::UniqueFd{kRequest});
    }
    berth::runtime::shim::Monitor monitor{berth::sys::UniqueFd{kControl}, berth::sys::UniqueFd{kRequest},
                                          berth::sys::UniqueFd{kListener}};
    return monitor.run();
  } catch (const std::exception& error) {
    [[maybe_unused]] const ssize_t written =
        ::write(STDERR_FILENO, error.what(), std::char_traits<char>::length(error.what()));
    return 1;
  }
}
