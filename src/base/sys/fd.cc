#include "base/sys/fd.h"

#include <fcntl.h>
#include <unistd.h>

namespace berth::sys {

void UniqueFd::reset(int fd) noexcept {
  if (fd_ >= 0)
    ::close(fd_);  // an error of close can't be acted upon; what must be durable is fsynced before
  fd_ = fd;
}

FdRef FdRef::cwd() { return FdRef{AT_FDCWD}; }

}  // namespace berth::sys
