// berth-init [--] PROGRAM [ARGUMENT...]: pid 1 of a container that was started with --init. Runs the program in a
// session of its own, passes signals on to it, reaps whatever else ends, and ends as the program did. Static, and
// without the C++ library: it costs each container a few pages.

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

// Signals that tell of the program's own faults, and those that the kernel sends to whoever has a terminal.
bool is_forwarded(int signal) {
  switch (signal) {
    case SIGFPE:
    case SIGILL:
    case SIGSEGV:
    case SIGBUS:
    case SIGABRT:
    case SIGTRAP:
    case SIGSYS:
    case SIGTTIN:
    case SIGTTOU:
    case SIGCHLD: return false;
    default: return true;
  }
}

void complain(const char* program, int error_number) {
  const char* pieces[] = {"[FATAL berth-init] exec ", program, " failed: ", strerror(error_number), "\n"};
  for (const char* piece : pieces) {
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, piece, strlen(piece));
  }
}

[[noreturn]] void become(char** argv, const sigset_t& mask) {
  setpgid(0, 0);
  // The terminal's foreground group is the program's, or ^C would come to nobody.
  if (isatty(STDIN_FILENO)) {
    signal(SIGTTOU, SIG_IGN);
    tcsetpgrp(STDIN_FILENO, getpgrp());
    signal(SIGTTOU, SIG_DFL);
  }
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  execvp(argv[0], argv);
  const int error_number = errno;
  complain(argv[0], error_number);
  _exit(error_number == ENOENT ? 127 : 126);
}

}  // namespace

int main(int argc, char** argv) {
  int first = 1;
  if (first < argc && strcmp(argv[first], "--") == 0) ++first;
  if (first >= argc) return 2;

  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  if (getpid() != 1) prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  const pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) become(argv + first, before);

  for (;;) {
    siginfo_t info;
    const int signal = sigwaitinfo(&all, &info);
    if (signal < 0) continue;
    if (is_forwarded(signal)) kill(child, signal);
    if (signal != SIGCHLD) continue;
    int code = -1, status = 0;
    for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG)) {
      if (pid == child) code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    if (code >= 0) return code;
  }
}
