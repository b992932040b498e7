#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/core/error.h"
#include "base/sys/file.h"
#include "runtime/seccomp/cache.h"
#include "runtime/seccomp/profile.h"

namespace berth::runtime::seccomp {
namespace {

constexpr std::uint32_t kEperm = SECCOMP_RET_ERRNO | EPERM, kEnosys = SECCOMP_RET_ERRNO | ENOSYS;

std::uint32_t jump(const sock_filter& op, std::uint32_t a) {
  const bool taken = BPF_OP(op.code) == BPF_JEQ    ? a == op.k
                     : BPF_OP(op.code) == BPF_JGT  ? a > op.k
                     : BPF_OP(op.code) == BPF_JGE  ? a >= op.k
                     : BPF_OP(op.code) == BPF_JSET ? (a & op.k) != 0
                                                   : true;
  if (BPF_OP(op.code) == BPF_JA) return op.k;
  return taken ? op.jt : op.jf;
}

/// What the kernel would answer: the classic BPF machine, as far as seccomp filters use it.
std::uint32_t run(const std::string& program, int number, std::uint64_t first = 0,
                  std::uint32_t arch = AUDIT_ARCH_X86_64) {
  seccomp_data data{.nr = number, .arch = arch, .instruction_pointer = 0, .args = {first}};
  std::vector<sock_filter> code(program.size() / sizeof(sock_filter));
  std::memcpy(code.data(), program.data(), program.size());
  std::uint32_t a = 0;
  for (std::size_t at = 0; at < code.size(); ++at) {
    const sock_filter& op = code[at];
    if (BPF_CLASS(op.code) == BPF_LD) {
      std::memcpy(&a, reinterpret_cast<const char*>(&data) + op.k, 4);
    } else if (BPF_CLASS(op.code) == BPF_JMP) {
      at += jump(op, a);
    } else if (BPF_CLASS(op.code) == BPF_ALU) {
      a &= op.k;
    } else {
      return op.k;
    }
  }
  return 0;
}

const std::string& plain() {
  static const std::string kProgram = compile(default_profile(), host_with({"CAP_CHOWN"}));
  return kProgram;
}

TEST(DefaultFilter, OrdinaryCallsPassOnAllThreeArchitectures) {
  EXPECT_EQ(run(plain(), SYS_getpid), SECCOMP_RET_ALLOW);
  EXPECT_EQ(run(plain(), SYS_openat), SECCOMP_RET_ALLOW);
  EXPECT_EQ(run(plain(), SYS_arch_prctl), SECCOMP_RET_ALLOW);
  EXPECT_EQ(run(plain(), 20, 0, AUDIT_ARCH_I386), SECCOMP_RET_ALLOW);   // getpid
  EXPECT_EQ(run(plain(), 0x40000000 | SYS_getpid), SECCOMP_RET_ALLOW);  // x32
}

TEST(DefaultFilter, PrivilegedCallsNeedTheirCapability) {
  const std::string admin = compile(default_profile(), host_with({"CAP_SYS_ADMIN", "CAP_SYS_CHROOT"}));
  for (const int number : {SYS_mount, SYS_setns, SYS_bpf, SYS_unshare}) {
    EXPECT_EQ(run(plain(), number), kEperm) << number;
    EXPECT_EQ(run(admin, number), SECCOMP_RET_ALLOW) << number;
  }
  EXPECT_EQ(run(plain(), SYS_chroot), kEperm);
  EXPECT_EQ(run(admin, SYS_chroot), SECCOMP_RET_ALLOW);
  EXPECT_EQ(run(plain(), SYS_reboot), kEperm);
  EXPECT_EQ(run(plain(), SYS_keyctl), kEperm);
  EXPECT_EQ(run(plain(), SYS_io_uring_setup), kEperm);
}

TEST(DefaultFilter, CloneWithoutNamespacesOnly) {
  EXPECT_EQ(run(plain(), SYS_clone, SIGCHLD), SECCOMP_RET_ALLOW);
  EXPECT_EQ(run(plain(), SYS_clone, 0x10000000), kEperm);  // CLONE_NEWUSER
  EXPECT_EQ(run(plain(), 435), kEnosys);                   // clone3
}

TEST(DefaultFilter, SocketFamiliesAndPersonalities) {
  EXPECT_EQ(run(plain(), SYS_socket, 2), SECCOMP_RET_ALLOW);
  EXPECT_EQ(run(plain(), SYS_socket, 38), kEperm);  // AF_ALG
  EXPECT_EQ(run(plain(), SYS_socket, 39), SECCOMP_RET_ALLOW);
  EXPECT_EQ(run(plain(), SYS_socket, 40), kEperm);  // AF_VSOCK
  EXPECT_EQ(run(plain(), SYS_socket, 44), SECCOMP_RET_ALLOW);
  EXPECT_EQ(run(plain(), SYS_personality, 0), SECCOMP_RET_ALLOW);
  EXPECT_EQ(run(plain(), SYS_personality, 0x0040000), kEperm);
}

TEST(DefaultFilter, NewCallsPassAndUnknownOnesDoNotExist) {
  for (const int number : {451, 452, 453, 454, 457, 462, 466})
    EXPECT_EQ(run(plain(), number), SECCOMP_RET_ALLOW) << number;
  EXPECT_EQ(run(plain(), 459), kEperm);  // lsm_get_self_attr wants CAP_SYS_ADMIN
  EXPECT_EQ(run(plain(), 467), kEnosys);
  EXPECT_EQ(run(plain(), 9999), kEnosys);
  EXPECT_EQ(run(plain(), 452, 0, AUDIT_ARCH_I386), SECCOMP_RET_ALLOW);
}

TEST(DefaultFilter, TheKernelTakesIt) {
  const pid_t child = ::fork();
  if (child == 0) {
    const sock_fprog program{.len = static_cast<unsigned short>(plain().size() / sizeof(sock_filter)),
                             .filter = reinterpret_cast<sock_filter*>(const_cast<char*>(plain().data()))};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) ::_exit(1);
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) ::_exit(2);
    if (::syscall(9999) != -1 || errno != ENOSYS) ::_exit(3);
    if (::syscall(SYS_keyctl, 0, 0) != -1 || errno != EPERM) ::_exit(4);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(CustomProfile, ActionsAndArguments) {
  const std::string program = compile(parse_profile(R"({"defaultAction":"SCMP_ACT_ALLOW",
      "architectures":["SCMP_ARCH_X86_64"],
      "syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":13},
                  {"name":"chmod","action":"SCMP_ACT_ERRNO"},
                  {"names":["kill"],"action":"SCMP_ACT_KILL_PROCESS","args":[{"index":0,"value":7,"op":"SCMP_CMP_EQ"}]},
                  {"names":["no_such_call"],"action":"SCMP_ACT_ERRNO"},
                  {"names":["getpid"],"action":"SCMP_ACT_ERRNO","includes":{"caps":["CAP_SYS_ADMIN"]}}]})"),
                                      host_with({}));
  EXPECT_EQ(run(program, SYS_mkdir), SECCOMP_RET_ERRNO | 13u);
  EXPECT_EQ(run(program, SYS_chmod), kEperm);
  EXPECT_EQ(run(program, SYS_kill, 7), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(run(program, SYS_kill, 8), SECCOMP_RET_ALLOW);
  EXPECT_EQ(run(program, SYS_getpid), SECCOMP_RET_ALLOW);
  EXPECT_EQ(run(program, 9999), SECCOMP_RET_ALLOW);
}

std::string error_of(const char* profile) {
  try {
    compile(parse_profile(profile), host_with({}));
  } catch (const Error& error) {
    return error.text();
  }
  return "";
}

TEST(CustomProfile, WhatIsWrongIsSaid) {
  EXPECT_TRUE(error_of("{").starts_with("Decoding seccomp profile failed: "));
  EXPECT_EQ(error_of(R"({"defaultAction":"FOO"})"), "invalid seccomp action: \"FOO\"");
  EXPECT_EQ(error_of(R"({"defaultAction":"SCMP_ACT_ALLOW","architectures":["X"]})"),
            "invalid seccomp architecture: \"X\"");
  EXPECT_NE(
      error_of(R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["kill"],"action":"SCMP_ACT_NOTIFY"}]})"), "");
  EXPECT_EQ(error_of("{}"), "");
}

TEST(Cache, SecondDaemonReadsWhatTheFirstCompiled) {
  const sys::TemporaryDir dir{"/tmp"};
  const std::string folder = dir.path() + "/seccomp";
  const std::string first = Cache{folder}.program("", {"CAP_CHOWN"});
  EXPECT_EQ(first, plain());
  const std::vector<std::string> files = sys::list_dir(folder);
  ASSERT_EQ(files.size(), 1u);
  const std::string path = folder + "/" + files[0];
  const std::string content = sys::read_file(path);
  EXPECT_EQ(Cache{folder}.program("", {"CAP_CHOWN"}), first);
  // Torn and altered files are not believed.
  sys::write_file(path, content.substr(0, content.size() / 2));
  EXPECT_EQ(Cache{folder}.program("", {"CAP_CHOWN"}), first);
  std::string altered = content;
  altered[altered.size() / 2] = static_cast<char>(altered[altered.size() / 2] ^ 1);
  sys::write_file(path, altered);
  EXPECT_EQ(Cache{folder}.program("", {"CAP_CHOWN"}), first);
}

}  // namespace
}  // namespace berth::runtime::seccomp
