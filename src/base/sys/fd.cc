#include "base/sys/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/core/error.h"

namespace berth::sys {

void UniqueFd::reset(int fd) noexcept {
  if (fd_ >= 0) ::close(fd_);  // an error of close can't be acted upon; what must be durable is fsynced before
  fd_ = fd;
}

FdRef FdRef::cwd() { return FdRef{AT_FDCWD}; }

UniqueFd duplicate(FdRef fd) {
  const int copy = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw errno_error("fcntl", "F_DUPFD_CLOEXEC");
  return UniqueFd{copy};
}

}  // namespace berth::sys
