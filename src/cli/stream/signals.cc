#include "cli/stream/signals.h"

#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::cli {

namespace {
constexpr int kForwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT, SIGTSTP, SIGWINCH};
}  // namespace

SignalWatch::SignalWatch(Which which) {
  ::sigemptyset(&watched_);
  for (const int number : kForwarded) {
    if (which == Which::all_forwardable || number == SIGWINCH) ::sigaddset(&watched_, number);
  }
  ::sigprocmask(SIG_BLOCK, &watched_, &before_);
  fd_ = sys::UniqueFd{::signalfd(-1, &watched_, SFD_CLOEXEC | SFD_NONBLOCK)};
  if (!fd_) throw errno_error("signalfd", "");
}

SignalWatch::~SignalWatch() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

std::optional<int> SignalWatch::next() {
  signalfd_siginfo info{};
  const ssize_t got = sys::retry_on_eintr([&] { return ::read(fd_.get(), &info, sizeof info); });
  if (got != sizeof info) return std::nullopt;
  return static_cast<int>(info.ssi_signo);
}

std::string signal_name(int number) {
  const char* name = ::sigabbrev_np(number);
  return name == nullptr ? cat(number) : std::string{name};
}

}  // namespace berth::cli
