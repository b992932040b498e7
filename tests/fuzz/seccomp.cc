// Seccomp profiles: whatever compiles must be a program that the kernel takes, by the rules of its own checker
// (kernel/seccomp.c, seccomp_check_filter; net/core/filter.c, bpf_check_classic).

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstring>
#include <vector>

#include "fuzz/fuzz.h"
#include "runtime/seccomp/profile.h"

namespace berth::runtime::seccomp {
namespace {

void check_program(const std::string& bytes) {
  fuzz::require(bytes.size() % sizeof(sock_filter) == 0, "a program is whole instructions");
  std::vector<sock_filter> code(bytes.size() / sizeof(sock_filter));
  std::memcpy(code.data(), bytes.data(), bytes.size());
  fuzz::require(!code.empty() && BPF_CLASS(code.back().code) == BPF_RET, "a program ends with an answer");
  for (std::size_t at = 0; at < code.size(); ++at) {
    const sock_filter& op = code[at];
    const std::size_t left = code.size() - at - 1;
    if (op.code == (BPF_LD | BPF_W | BPF_ABS)) {
      fuzz::require(op.k < sizeof(seccomp_data) && op.k % 4 == 0, "a load stays within the call's data");
    } else if (op.code == (BPF_JMP | BPF_JA)) {
      fuzz::require(op.k < left, "a jump stays within the program");
    } else if (BPF_CLASS(op.code) == BPF_JMP) {
      fuzz::require(op.jt < left && op.jf < left, "a branch stays within the program");
    }
  }
}

}  // namespace
}  // namespace berth::runtime::seccomp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace berth;
  using namespace berth::runtime;
  fuzz::accepted([&] {
    const seccomp::Profile profile = seccomp::parse_profile({reinterpret_cast<const char*>(data), size});
    std::size_t work = profile.syscalls.size();
    for (const seccomp::Rule& rule : profile.syscalls) work += rule.names.size() * (rule.args.size() + 1);
    if (work > 60) return;  // libseccomp's own time, which is not what is looked for here
    const std::string program = seccomp::compile(profile, {.capabilities = {"CAP_CHOWN"}, .kernel_major = 6});
    if (!program.empty()) seccomp::check_program(program);
  });
  return 0;
}
