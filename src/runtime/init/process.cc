#include "runtime/init/process.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/core/text.h"
#include "base/sys/file.h"
#include "runtime/init/capabilities.h"
#include "runtime/init/users.h"

namespace berth::runtime::init {
namespace {

struct LimitName {
  std::string_view name;
  int number;
};
constexpr LimitName kLimits[] = {
    {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},         {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_FSIZE", RLIMIT_FSIZE},       {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},   {"RLIMIT_NPROC", RLIMIT_NPROC},       {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK}};

void set_limits(const std::vector<oci::Rlimit>& limits) {
  for (const oci::Rlimit& limit : limits) {
    const auto* known = std::ranges::find(kLimits, limit.type, &LimitName::name);
    if (known == std::end(kLimits)) throw invalid(cat("invalid rlimit type ", quoted(limit.type)));
    const struct rlimit value{limit.soft, limit.hard};
    if (::setrlimit(static_cast<__rlimit_resource>(known->number), &value) != 0) {
      throw errno_error("error setting rlimit", limit.type);
    }
  }
}

Identity find_identity_of(const oci::User& user, bool home_needed) {
  if (user.lookup.empty() && user.lookup_groups.empty()) {
    Identity identity{user.uid, user.gid, user.additional_gids, "/"};
    if (home_needed) identity.home = home_of(user.uid, read_account_file("/etc/passwd"));
    return identity;
  }
  Identity identity =
      find_identity(user.lookup.empty() ? cat(user.uid, ':', user.gid) : user.lookup, user.lookup_groups,
                    read_account_file("/etc/passwd"), read_account_file("/etc/group"));
  identity.groups.insert(identity.groups.end(), user.additional_gids.begin(), user.additional_gids.end());
  return identity;
}

/// A non-root program must be able to open /dev/stdout, which means to reopen what stands behind descriptor 1.
void give_standard_streams(const Identity& identity) {
  struct stat null{};
  ::stat("/dev/null", &null);
  for (int fd = 0; fd < 3; ++fd) {
    struct stat info{};
    if (::fstat(fd, &info) != 0 || info.st_uid == identity.uid || info.st_rdev == null.st_rdev) continue;
    if (!S_ISFIFO(info.st_mode) && !::isatty(fd)) continue;
    // EROFS and EPERM: a terminal that is not ours to give. The program still has the open descriptor.
    [[maybe_unused]] const int given = ::fchown(fd, identity.uid, info.st_gid);
  }
}

[[noreturn]] void refuse_working_dir(const std::string& cwd) {
  const int error_number = errno;
  std::string reason = std::strerror(error_number);
  reason.front() = static_cast<char>(reason.front() | 0x20);
  throw Error{ErrorKind::system, cat("chdir to cwd (", quoted(cwd), ") set in config.json failed: ", reason),
              error_number};
}

bool try_enter(const std::string& cwd) { return ::chdir(cwd.empty() ? "/" : cwd.c_str()) == 0; }

/// A working folder that lies outside the root (reached through a leaked descriptor) is what CVE-2024-21626 used: the
/// kernel then has no path for it.
void check_working_dir() {
  char path[4096];
  const long size = ::syscall(SYS_getcwd, path, sizeof path);
  if (size < 0 || path[0] != '/')
    throw system_error("current working directory is outside of container mount namespace root");
}

void change_user(const Identity& identity) {
  if (::setgroups(identity.groups.size(), identity.groups.data()) != 0) throw errno_error("setgroups", "");
  if (::setresgid(identity.gid, identity.gid, identity.gid) != 0) throw errno_error("setgid", cat(identity.gid));
  if (::setresuid(identity.uid, identity.uid, identity.uid) != 0) throw errno_error("setuid", cat(identity.uid));
}

void load_seccomp(const std::string& bytes) {
  if (bytes.empty()) return;
  if (bytes.size() / sizeof(sock_filter) > BPF_MAXINSNS) throw invalid("the seccomp filter has too many instructions");
  sock_fprog program{.len = static_cast<unsigned short>(bytes.size() / sizeof(sock_filter)),
                     .filter = reinterpret_cast<sock_filter*>(const_cast<char*>(bytes.data()))};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) throw errno_error("seccomp", "");
}

bool has_variable(const std::vector<std::string>& env, std::string_view name) {
  return std::ranges::any_of(env, [&](const std::string& entry) {
    return entry.starts_with(name) && entry.size() > name.size() && entry[name.size()] == '=';
  });
}

std::vector<char*> c_strings(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& text : strings) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// The monitor's SIGKILL reaches the program, too; asked for last, since a change of credentials takes it back. A
/// monitor that died just before shows by the broken pair.
void die_with_monitor(const ChildSync& sync) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) throw errno_error("prctl PR_SET_PDEATHSIG", "");
  send(sync.socket(), Word::executing);
}

}  // namespace

void make_working_dir(const std::string& cwd) {
  if (cwd.empty() || cwd == "/") return;
  struct stat info{};
  if (::stat(cwd.c_str(), &info) == 0) {
    if (!S_ISDIR(info.st_mode)) throw invalid(cat("Cannot mkdir: ", cwd, " is not a directory"));
    return;
  }
  const sys::UniqueFd root = sys::open_file("/", O_PATH | O_DIRECTORY);
  try {
    sys::make_dirs_in_root(root, cwd, 0755);
  } catch (const Error& error) {
    if (error.error_number() == ENOTDIR || error.error_number() == EEXIST) {
      throw invalid(cat("Cannot mkdir: ", cwd, " is not a directory"));
    }
    throw;
  }
}

void reset_signals() {
  struct sigaction action{};
  action.sa_handler = SIG_DFL;
  for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGTTOU}) ::sigaction(signal, &action, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void become(const oci::Process& process, const std::string& seccomp, const ChildSync& sync, Progress& progress) {
  progress.stage = shim::Stage::user;
  std::vector<std::string> env = process.env;
  const bool home_needed = !has_variable(env, "HOME");
  const Identity identity = find_identity_of(process.user, home_needed);
  if (home_needed) env.push_back(cat("HOME=", identity.home));
  give_standard_streams(identity);

  progress.stage = shim::Stage::working_dir;
  const bool entered = try_enter(process.cwd);

  progress.stage = shim::Stage::setup;
  set_limits(process.rlimits);
  const std::optional<CapabilitySets> capabilities =
      process.capabilities ? std::optional{capability_sets(*process.capabilities)} : std::nullopt;
  if (process.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    throw errno_error("prctl PR_SET_NO_NEW_PRIVS", "");
  }
  // Without no_new_privs the kernel takes a filter only from CAP_SYS_ADMIN; with it, better as late as can be.
  if (!process.no_new_privileges) load_seccomp(seccomp);
  if (capabilities) {
    drop_bounding(*capabilities);
    if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) throw errno_error("prctl PR_SET_KEEPCAPS", "");
  }
  progress.stage = shim::Stage::user;
  change_user(identity);
  progress.stage = shim::Stage::setup;
  if (capabilities) {
    if (::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) throw errno_error("prctl PR_SET_KEEPCAPS", "");
    apply_capabilities(*capabilities);
  }

  progress.stage = shim::Stage::working_dir;
  // A folder that root may not enter (NFS) but the user may.
  if (!entered && !try_enter(process.cwd)) refuse_working_dir(process.cwd);
  check_working_dir();

  if (process.args.empty()) throw invalid("no command specified");
  const std::string program = find_program(process.args.front(), env, progress);
  progress.stage = shim::Stage::setup;
  ::umask(process.user.umask.value_or(022));
  const std::vector<char*> argv = c_strings(process.args), envp = c_strings(env);
  die_with_monitor(sync);
  if (process.no_new_privileges) load_seccomp(seccomp);
  ::execve(program.c_str(), argv.data(), envp.data());
  progress.stage = errno == ENOENT ? shim::Stage::exec_not_found : shim::Stage::exec_denied;
  std::string text = std::strerror(errno);
  text.front() = static_cast<char>(text.front() | 0x20);
  throw Error{ErrorKind::invalid, cat("exec ", program, ": ", text), errno};
}

}  // namespace berth::runtime::init
