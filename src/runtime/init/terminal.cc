#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "base/core/error.h"
#include "base/sys/file.h"
#include "runtime/init/container.h"
#include "runtime/mounts/mount_api.h"

namespace berth::runtime::init {
namespace {

constexpr unsigned kFirstPtyMajor = 136, kLastPtyMajor = 143;

/// The container's own multiplexer, by descriptor and checked: what is at /dev/pts could be anything.
sys::UniqueFd open_master() {
  sys::UniqueFd master = sys::open_file("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW);
  struct statfs info{};
  if (::fstatfs(master.get(), &info) != 0) throw errno_error("fstatfs", "/dev/pts/ptmx");
  if (info.f_type != DEVPTS_SUPER_MAGIC) throw system_error("/dev/pts is not a devpts file system");
  const int unlocked = 0;
  if (::ioctl(master.get(), TIOCSPTLCK, &unlocked) != 0) throw errno_error("ioctl TIOCSPTLCK", "");
  return master;
}

/// The slave without a path in between.
sys::UniqueFd open_slave(sys::FdRef master) {
  sys::UniqueFd slave{::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)};
  if (!slave) throw errno_error("ioctl TIOCGPTPEER", "");
  struct stat info{};
  if (::fstat(slave.get(), &info) != 0) throw errno_error("fstat", "terminal");
  const unsigned number = major(info.st_rdev);
  if (!S_ISCHR(info.st_mode) || number < kFirstPtyMajor || number > kLastPtyMajor) {
    throw system_error("the terminal is not a pseudo-terminal");
  }
  return slave;
}

void mount_console(sys::FdRef slave) {
  const sys::UniqueFd dev = sys::open_file("/dev", O_PATH | O_DIRECTORY);
  const int made = ::openat(dev.get(), "console", O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (made >= 0) ::close(made);
  const sys::UniqueFd place = sys::open_at(dev, "console", O_PATH | O_NOFOLLOW);
  const sys::UniqueFd tree = mounts::clone_tree(slave, false);
  mounts::attach(tree, place);
}

}  // namespace

void open_terminal(const oci::Process& process, const ChildSync& sync, bool console) {
  const sys::UniqueFd master = open_master();
  const sys::UniqueFd slave = open_slave(master);
  if (process.console_size) {
    const winsize size{.ws_row = static_cast<unsigned short>(process.console_size->height),
                       .ws_col = static_cast<unsigned short>(process.console_size->width),
                       .ws_xpixel = 0,
                       .ws_ypixel = 0};
    if (::ioctl(slave.get(), TIOCSWINSZ, &size) != 0) throw errno_error("ioctl TIOCSWINSZ", "");
  }
  if (console) mount_console(slave);
  send(sync.socket(), Word::console, master.get());
  if (::setsid() < 0 && errno != EPERM) throw errno_error("setsid", "");
  if (::ioctl(slave.get(), TIOCSCTTY, 0) != 0) throw errno_error("ioctl TIOCSCTTY", "");
  for (int fd = 0; fd < 3; ++fd) {
    if (::dup2(slave.get(), fd) < 0) throw errno_error("dup2", "terminal");
  }
}

}  // namespace berth::runtime::init
