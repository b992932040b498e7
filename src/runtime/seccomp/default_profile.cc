#include "base/core/text.h"
#include "runtime/seccomp/profile.h"

/// Docker's default profile as data: what is allowed to everybody, and what to the holders of a capability.
/// Facts from moby/profiles seccomp/default.json (v0.2.3, which also keeps AF_ALG sockets away).
namespace berth::runtime::seccomp {

namespace {

constexpr std::string_view kAllow = "SCMP_ACT_ALLOW";

constexpr std::string_view kForAll =
    "_llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod "
    "chown chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime "
    "clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range "
    "creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 "
    "epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 "
    "fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 "
    "fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat "
    "fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 "
    "futex_wait futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu getcwd getdents "
    "getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer "
    "getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid "
    "getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getuid32 "
    "getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel "
    "io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get "
    "ioprio_set ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 "
    "lgetxattr link linkat listen listmount listxattr listxattrat llistxattr lremovexattr lseek lsetxattr "
    "lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat "
    "mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open "
    "mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal "
    "msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat "
    "open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect "
    "poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 "
    "pselect6_time64 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom "
    "recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat "
    "renameat2 restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask "
    "rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo "
    "sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam "
    "sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity "
    "sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop "
    "semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list "
    "set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups "
    "setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid "
    "setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr setxattrat "
    "shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall "
    "socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync sync_file_range "
    "syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime "
    "timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 "
    "timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink "
    "unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write "
    "writev ";

struct ForCapability {
  std::string_view capability, names;
};
constexpr ForCapability kForCapabilities[] = {
    {"CAP_DAC_READ_SEARCH", "open_by_handle_at"},
    {"CAP_SYS_BOOT", "reboot"},
    {"CAP_SYS_CHROOT", "chroot"},
    {"CAP_SYS_MODULE", "delete_module init_module finit_module"},
    {"CAP_SYS_PACCT", "acct"},
    {"CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"},
    {"CAP_SYS_RAWIO", "iopl ioperm"},
    {"CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"},
    {"CAP_SYS_TTY_CONFIG", "vhangup"},
    {"CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
    {"CAP_SYSLOG", "syslog"},
    {"CAP_BPF", "bpf"},
    {"CAP_PERFMON", "perf_event_open"},
    {"CAP_SYS_ADMIN",
     "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr "
     "lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl "
     "quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare "},
};

struct ForArch {
  std::vector<std::string> arches;
  std::string_view names;
};

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> list = split(trim(text), ' ');
  return list;
}

Rule allow(std::string_view names) {
  Rule rule;
  rule.names = words(names);
  rule.action = kAllow;
  return rule;
}

Rule allow_if(std::string_view name, std::uint32_t index, std::string_view op, std::uint64_t value) {
  Rule rule = allow(name);
  rule.args.push_back({.index = index, .value = value, .value_two = 0, .op = std::string{op}});
  return rule;
}

/// New namespaces are for CAP_SYS_ADMIN, so the others' clone has none of these flags.
void add_clone(std::vector<Rule>& rules) {
  constexpr std::uint64_t kNamespaceFlags = 0x7E020000;  // CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
  Rule clone = allow_if("clone", 0, "SCMP_CMP_MASKED_EQ", kNamespaceFlags);
  clone.excludes = {.caps = {"CAP_SYS_ADMIN"}, .arches = {"s390", "s390x"}, .min_kernel = {}};
  rules.push_back(std::move(clone));
  // clone3's flags lie in memory where no filter sees them; ENOSYS makes libraries fall back to clone.
  Rule clone3 = allow("clone3");
  clone3.action = "SCMP_ACT_ERRNO";
  clone3.errno_ret = 38;  // ENOSYS
  clone3.excludes.caps = {"CAP_SYS_ADMIN"};
  rules.push_back(std::move(clone3));
}

Profile make() {
  Profile profile;
  profile.default_action = "SCMP_ACT_ERRNO";
  profile.default_errno_ret = 1;  // EPERM
  profile.arch_map = {{.architecture = "SCMP_ARCH_X86_64", .sub_architectures = {"SCMP_ARCH_X86", "SCMP_ARCH_X32"}},
                      {.architecture = "SCMP_ARCH_AARCH64", .sub_architectures = {"SCMP_ARCH_ARM"}},
                      {.architecture = "SCMP_ARCH_RISCV64", .sub_architectures = {}}};
  std::vector<Rule>& rules = profile.syscalls;
  rules.push_back(allow(kForAll));
  Rule traced = allow("process_vm_readv process_vm_writev ptrace");
  traced.includes.min_kernel = "4.8";  // before, ptrace was a way around seccomp
  rules.push_back(std::move(traced));
  // Sockets of every family but AF_ALG (38) and AF_VSOCK (40).
  rules.push_back(allow_if("socket", 0, "SCMP_CMP_LT", 38));
  rules.push_back(allow_if("socket", 0, "SCMP_CMP_EQ", 39));
  rules.push_back(allow_if("socket", 0, "SCMP_CMP_GT", 40));
  for (const std::uint64_t persona : {0x0ull, 0x8ull, 0x20000ull, 0x20008ull, 0xffffffffull}) {
    rules.push_back(allow_if("personality", 0, "SCMP_CMP_EQ", persona));
  }
  const ForArch for_arches[] = {
      {{"arm", "arm64"}, "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"},
      {{"amd64", "x32"}, "arch_prctl"},
      {{"amd64", "x32", "x86"}, "modify_ldt"},
      {{"riscv64"}, "riscv_flush_icache"}};
  for (const ForArch& one : for_arches) {
    rules.push_back(allow(one.names));
    rules.back().includes.arches = one.arches;
  }
  for (const ForCapability& one : kForCapabilities) {
    rules.push_back(allow(one.names));
    rules.back().includes.caps = {std::string{one.capability}};
  }
  add_clone(rules);
  return profile;
}

}  // namespace

const Profile& default_profile() {
  static const Profile kProfile = make();
  return kProfile;
}

}  // namespace berth::runtime::seccomp
