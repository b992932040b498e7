#include "base/sys/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "base/sys/socket.h"

namespace berth::sys {

namespace {

constexpr unsigned kCloseRangeCloexec = 4;  // CLOSE_RANGE_CLOEXEC of linux/close_range.h

// What a child has of this process until its exec: all of the memory, or only the pages of its stack.
#if __has_feature(thread_sanitizer)
// The sanitizer's own records of signals, descriptors and locks are in that memory too, and the child changes them.
constexpr int kCloneShares = 0, kStackShares = MAP_SHARED;
#else
constexpr int kCloneShares = CLONE_VM, kStackShares = MAP_PRIVATE;
#endif

ExitStatus decode(int status) {
  if (WIFSIGNALED(status)) return {128 + WTERMSIG(status), WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

std::vector<char*> c_strings(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& text : strings) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// What the child needs; made before the clone, since between clone and exec nothing may allocate.
struct Launch {
  const char* program;
  char* const* argv;
  char* const* envp;
  std::pair<int, int>* descriptors;
  std::size_t descriptor_count;
  const char* working_dir;
  bool new_session;
  int* error;  ///< errno of the failed exec, for the parent
};

/// AddressSanitizer would tidy up the stack before the exit, which is not the one that it knows of this thread; and so
/// it would in child_main(), since fail() never comes back.
[[clang::no_sanitize("address")]] int fail(Launch* launch) {
  *launch->error = errno;
  ::_exit(127);
}

[[clang::no_sanitize("address")]] int child_main(void* argument) {
  auto* launch = static_cast<Launch*>(argument);
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action{};
    action.sa_handler = SIG_DFL;
    ::sigaction(signal, &action, nullptr);  // fails for SIGKILL and SIGSTOP, which cannot be changed anyway
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (launch->new_session) ::setsid();
  // Numbers may overlap: first lift every source above all targets, then place it.
  for (std::size_t i = 0; i < launch->descriptor_count; ++i) {
    const int lifted = ::fcntl(launch->descriptors[i].first, F_DUPFD_CLOEXEC, 64);
    if (lifted < 0) return fail(launch);
    launch->descriptors[i].first = lifted;
  }
  // Asio's accept sets no CLOEXEC: a client's connection must not live on in a process that outlives us. dup2 then
  // makes exceptions of the targets. Kernels before 5.11 don't know the flag.
  (void)::syscall(SYS_close_range, 3U, ~0U, kCloseRangeCloexec);
  for (std::size_t i = 0; i < launch->descriptor_count; ++i) {
    if (::dup2(launch->descriptors[i].first, launch->descriptors[i].second) < 0) return fail(launch);
  }
  if (launch->working_dir != nullptr && ::chdir(launch->working_dir) != 0) return fail(launch);
  ::execve(launch->program, launch->argv, launch->envp);
  return fail(launch);
}

}  // namespace

Child& Child::operator=(Child&& other) noexcept {
  if (this != &other) {
    Child discarded{std::move(*this)};
    pid_ = std::exchange(other.pid_, -1);
    pidfd_ = std::move(other.pidfd_);
  }
  return *this;
}

Child::~Child() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);  // ours and not reaped, so the number cannot have been given to another process
  retry_on_eintr([&] { return ::waitpid(pid_, nullptr, 0); });
}

void Child::kill(int signal) const {
  if (pid_ > 0 && ::kill(pid_, signal) != 0 && errno != ESRCH) throw errno_error("kill", cat(pid_));
}

ExitStatus Child::wait() {
  int status = 0;
  if (retry_on_eintr([&] { return ::waitpid(pid_, &status, 0); }) < 0) throw errno_error("waitpid", cat(pid_));
  pid_ = -1;
  return decode(status);
}

std::optional<ExitStatus> Child::try_wait() {
  int status = 0;
  const pid_t reaped = retry_on_eintr([&] { return ::waitpid(pid_, &status, WNOHANG); });
  if (reaped < 0) throw errno_error("waitpid", cat(pid_));
  if (reaped == 0) return std::nullopt;
  pid_ = -1;
  return decode(status);
}

pid_t Child::release() {
  pidfd_.reset();
  return std::exchange(pid_, -1);
}

Child spawn(const SpawnOptions& options) {
  const std::vector<char*> argv = c_strings(options.arguments);
  const std::vector<char*> envp = c_strings(options.environment);
  std::vector<std::pair<int, int>> descriptors = options.descriptors;

  constexpr std::size_t kStackBytes = 64 << 10, kStackAlignment = 16;
  void* stack = ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, kStackShares | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) throw errno_error("mmap", "child stack");
  void* stack_start = static_cast<char*>(stack) + kStackBytes - kStackAlignment;  // room above it for the error
  Launch launch{options.program.c_str(),
                argv.data(),
                envp.data(),
                descriptors.data(),
                descriptors.size(),
                options.working_dir.empty() ? nullptr : options.working_dir.c_str(),
                options.new_session,
                static_cast<int*>(stack_start)};

  // A handler of ours must not run in the child while it shares our memory.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  int pidfd = -1;
  const int pid = ::clone(child_main, stack_start, kCloneShares | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &launch, &pidfd);
  const int clone_error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  const int exec_error = *launch.error;
  ::munmap(stack, kStackBytes);
  if (pid < 0) throw errno_error(clone_error, "clone", options.program);

  Child child{pid, UniqueFd{pidfd}};
  if (exec_error != 0) throw errno_error(exec_error, "exec", options.program);
  return child;
}

CommandResult run_command(const std::vector<std::string>& argv, const std::string& input, Errors errors) {
  auto [output_read, output_write] = make_pipe();
  const UniqueFd null = input.empty() ? open_file("/dev/null", O_RDONLY) : memory_file("input", input);
  // Not a second pipe: nobody has to read both at once.
  const UniqueFd error_file = errors == Errors::apart ? memory_file("errors", "") : UniqueFd{};
  const int error_output = error_file ? error_file.get() : output_write.get();
  std::string program = argv.front();
  if (program.find('/') == std::string::npos) {
    for (const char* dir : {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/", "/usr/local/bin/"}) {
      if (exists(dir + program)) {
        program.insert(0, dir);
        break;
      }
    }
  }
  Child child = spawn({.program = program,
                       .arguments = argv,
                       .environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
                       .descriptors = {{null.get(), 0}, {output_write.get(), 1}, {error_output, 2}}});
  output_write.reset();
  CommandResult result{{}, {}};
  char buffer[4096];
  constexpr std::size_t kLimit = 16 << 20;
  for (;;) {
    const std::size_t got = read_full(output_read, buffer, sizeof buffer);
    if (got == 0) break;
    if (result.output.size() < kLimit) result.output.append(buffer, got);
  }
  result.status = child.wait();
  if (error_file) {
    result.errors.resize(4096);  // more than anybody wants to know
    const ssize_t got = ::pread(error_file.get(), result.errors.data(), result.errors.size(), 0);
    result.errors.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  }
  return result;
}

std::vector<std::string> own_environment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  return variables;
}

void raise_descriptor_limit() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

UniqueFd open_pidfd(pid_t pid) {
  const long fd = ::syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) throw errno_error("pidfd_open", cat(pid));
  return UniqueFd{static_cast<int>(fd)};
}

std::optional<UniqueFd> find_pidfd(pid_t pid) {
  const long fd = ::syscall(SYS_pidfd_open, pid, 0);
  if (fd >= 0) return UniqueFd{static_cast<int>(fd)};
  if (errno == ESRCH || errno == EINVAL) return std::nullopt;
  throw errno_error("pidfd_open", cat(pid));
}

bool signal_pidfd(FdRef pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0) return true;
  if (errno == ESRCH) return false;
  throw errno_error("pidfd_send_signal", cat(signal));
}

bool wait_for_end(FdRef pidfd, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd state{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
    const int ready = ::poll(&state, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready >= 0) return ready == 1;
    if (errno != EINTR) throw errno_error("poll", "pidfd");
  }
}

namespace {

/// Of /proc/PID/stat, from the third field on (state); nullopt when the process is gone.
std::optional<std::vector<std::string>> stat_fields(pid_t pid) {
  const std::optional<std::string> stat = read_file_if_exists(cat("/proc/", pid, "/stat"));
  if (!stat) return std::nullopt;
  // The program's name, field 2, may hold spaces and parentheses: count from its last one.
  const std::size_t name_end = stat->rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  return split(std::string_view{*stat}.substr(name_end + 2), ' ');
}

}  // namespace

bool is_ending(pid_t pid) {
  constexpr std::uint64_t kExiting = 4;  // PF_EXITING
  const auto fields = stat_fields(pid);
  if (!fields || fields->size() < 7) return true;
  return (parse_number<std::uint64_t>((*fields)[6]).value_or(0) & kExiting) != 0;
}

std::optional<std::uint64_t> start_ticks(pid_t pid) {
  const auto fields = stat_fields(pid);
  if (!fields || fields->size() < 20) return std::nullopt;
  return parse_number<std::uint64_t>((*fields)[19]);
}

}  // namespace berth::sys
