#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/sys/fd.h"

namespace berth::sys {

/// What became of a process: its exit code, or 128 + the signal that ended it, as shells and Docker count.
struct ExitStatus {
  int code = 0;
  int signal = 0;  ///< 0 when it exited by itself
};

/// A child process. Killed and reaped by its owner's end unless it was waited for or released.
class Child {
 public:
  Child() = default;
  Child(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}
  Child& operator=(Child&&) noexcept;
  ~Child();

  pid_t pid() const { return pid_; }
  const UniqueFd& pidfd() const { return pidfd_; }  ///< readable when the process has ended
  void kill(int signal) const;
  ExitStatus wait();                     ///< blocks, reaps
  std::optional<ExitStatus> try_wait();  ///< reaps if it has ended
  pid_t release();                       ///< gives up ownership: it lives on, somebody else reaps it

 private:
  pid_t pid_ = -1;
  UniqueFd pidfd_;
};

struct SpawnOptions {
  std::string program;                           ///< path; not searched for in PATH
  std::vector<std::string> arguments;            ///< argv, with argv[0]
  std::vector<std::string> environment;          ///< "K=V", the whole of it
  std::vector<std::pair<int, int>> descriptors;  ///< {ours, number in the child}; all others are closed on exec
  bool new_session = false;                      ///< setsid(2)
  std::string working_dir{};
};

/// Starts a program without copying this process's page tables (clone with CLONE_VM|CLONE_VFORK). The child
/// gets default signal handling and an empty mask. A failed exec is thrown here, as "exec PROGRAM: …".
Child spawn(const SpawnOptions& options);

/// Runs a program to its end with standard input closed and output caught (bounded to 16 MiB); for rare
/// helpers.
struct CommandResult {
  ExitStatus status;
  std::string output;  ///< standard output and, unless kept apart, error
  std::string errors{};
};
enum class Errors { with_output, apart };
CommandResult run_command(const std::vector<std::string>& argv, const std::string& input = {},
                          Errors errors = Errors::with_output);

/// "K=V" of this process, for a child that is to have it.
std::vector<std::string> own_environment();
/// As many descriptors as this process may have: one or two for each client, container and upload.
void raise_descriptor_limit();

UniqueFd open_pidfd(pid_t pid);  ///< throws system ESRCH when it is gone
std::optional<UniqueFd> find_pidfd(pid_t pid);
/// pidfd_send_signal(2); false when the process is gone.
bool signal_pidfd(FdRef pidfd, int signal);
/// False when the process was still there after `timeout`. Blocks.
bool wait_for_end(FdRef pidfd, std::chrono::milliseconds timeout);
/// It has begun to end (or is gone): its namespaces can't be entered any more.
bool is_ending(pid_t pid);
/// Clock ticks since boot when the process started (/proc/PID/stat field 22): with the pid, a process's
/// identity.
std::optional<std::uint64_t> start_ticks(pid_t pid);

}  // namespace berth::sys
