#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "runtime/seccomp/profile.h"

namespace berth::runtime::seccomp {

namespace {

constexpr std::string_view kNativeArch = "amd64";  ///< in profiles' includes and excludes
constexpr std::string_view kNativeName = "SCMP_ARCH_X86_64";

/// System calls that came after the libseccomp of Debian 12, with one number on every architecture.
struct NewCall {
  std::string_view name;
  std::uint32_t number;
};
constexpr NewCall kNewCalls[] = {
    {"cachestat", 451},         {"fchmodat2", 452},         {"map_shadow_stack", 453}, {"futex_wake", 454},
    {"futex_wait", 455},        {"futex_requeue", 456},     {"statmount", 457},        {"listmount", 458},
    {"lsm_get_self_attr", 459}, {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
    {"setxattrat", 463},        {"getxattrat", 464},        {"listxattrat", 465},      {"removexattrat", 466}};
constexpr std::uint32_t kFirstNew = 451, kLastNew = 466;

struct Release {
  void operator()(void* context) const { ::seccomp_release(context); }
};
using Context = std::unique_ptr<void, Release>;

void check(int result, std::string_view call) {
  if (result < 0) throw errno_error(-result, call, "seccomp filter");
}

std::uint32_t action_of(const std::string& name, std::optional<std::int64_t> errno_ret) {
  const auto number = static_cast<std::uint32_t>(errno_ret.value_or(EPERM)) & 0xffff;
  if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return SCMP_ACT_KILL_THREAD;
  if (name == "SCMP_ACT_KILL_PROCESS") return SCMP_ACT_KILL_PROCESS;
  if (name == "SCMP_ACT_TRAP") return SCMP_ACT_TRAP;
  if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(number);
  if (name == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(number);
  if (name == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  if (name == "SCMP_ACT_LOG") return SCMP_ACT_LOG;
  if (name == "SCMP_ACT_NOTIFY") throw not_implemented("seccomp notification is not implemented by Berth yet");
  throw invalid(cat("invalid seccomp action: ", quoted(name)));
}

scmp_compare compare_of(const std::string& name) {
  static const std::map<std::string_view, scmp_compare> kNames{{"SCMP_CMP_NE", SCMP_CMP_NE},
                                                               {"SCMP_CMP_LT", SCMP_CMP_LT},
                                                               {"SCMP_CMP_LE", SCMP_CMP_LE},
                                                               {"SCMP_CMP_EQ", SCMP_CMP_EQ},
                                                               {"SCMP_CMP_GE", SCMP_CMP_GE},
                                                               {"SCMP_CMP_GT", SCMP_CMP_GT},
                                                               {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}};
  const auto found = kNames.find(name);
  if (found == kNames.end()) throw invalid(cat("invalid seccomp operator: ", quoted(name)));
  return found->second;
}

/// libseccomp's token from Docker's "SCMP_ARCH_X86".
std::uint32_t arch_of(const std::string& name) {
  static const std::map<std::string_view, std::string> kNames{
      {"SCMP_ARCH_X86", "x86"},       {"SCMP_ARCH_X86_64", "x86_64"},   {"SCMP_ARCH_X32", "x32"},
      {"SCMP_ARCH_ARM", "arm"},       {"SCMP_ARCH_AARCH64", "aarch64"}, {"SCMP_ARCH_MIPS", "mips"},
      {"SCMP_ARCH_MIPS64", "mips64"}, {"SCMP_ARCH_MIPSEL", "mipsel"},   {"SCMP_ARCH_MIPSEL64", "mipsel64"},
      {"SCMP_ARCH_PPC", "ppc"},       {"SCMP_ARCH_PPC64", "ppc64"},     {"SCMP_ARCH_PPC64LE", "ppc64le"},
      {"SCMP_ARCH_S390", "s390"},     {"SCMP_ARCH_S390X", "s390x"},     {"SCMP_ARCH_RISCV64", "riscv64"}};
  const auto found = kNames.find(name);
  if (found == kNames.end()) throw invalid(cat("invalid seccomp architecture: ", quoted(name)));
  return ::seccomp_arch_resolve_name(found->second.c_str());
}

std::pair<int, int> parse_kernel(const std::string& text) {
  const std::vector<std::string> parts = split(text, '.');
  const auto major = parse_number<int>(parts[0]);
  const auto minor = parts.size() == 2 ? parse_number<int>(parts[1]) : std::nullopt;
  if (!major || !minor) throw invalid(cat("invalid kernel version: ", quoted(text), ", expected \"<kernel>.<major>\""));
  return {*major, *minor};
}

bool is_listed(const std::vector<std::string>& list, std::string_view one) {
  return std::ranges::find(list, one) != list.end();
}

bool applies(const Rule& rule, const Host& host) {
  const auto held = [&](const std::string& capability) { return host.capabilities.contains(capability); };
  const auto recent = [&](const std::string& kernel) {
    return std::pair{host.kernel_major, host.kernel_minor} >= parse_kernel(kernel);
  };
  const Condition &out = rule.excludes, &in = rule.includes;
  if (is_listed(out.arches, kNativeArch) || std::ranges::any_of(out.caps, held)) return false;
  if (!out.min_kernel.empty() && recent(out.min_kernel)) return false;
  if (!in.arches.empty() && !is_listed(in.arches, kNativeArch)) return false;
  return std::ranges::all_of(in.caps, held) && (in.min_kernel.empty() || recent(in.min_kernel));
}

std::vector<std::string> architectures_of(const Profile& profile) {
  std::vector<std::string> names = profile.architectures;
  for (const ArchMap& map : profile.arch_map) {
    if (map.architecture != kNativeName) continue;
    names.push_back(map.architecture);
    names.insert(names.end(), map.sub_architectures.begin(), map.sub_architectures.end());
  }
  return names;
}

std::vector<std::string> names_of(const Rule& rule) {
  if (rule.name.empty()) return rule.names;
  if (!rule.names.empty()) {
    throw invalid("both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'");
  }
  return {rule.name};
}

/// New system call's number to the action for it.
using NewActions = std::map<std::uint32_t, std::uint32_t>;

void note_new_call(const std::string& name, const Rule& rule, std::uint32_t action, NewActions& out) {
  const auto* known = std::ranges::find(kNewCalls, name, &NewCall::name);
  if (known == std::end(kNewCalls) || !rule.args.empty()) return;  // no such call on this machine
  out.try_emplace(known->number, action);
}

void add_rule(void* context, std::uint32_t action, int number, const std::string& name,
              const std::vector<scmp_arg_cmp>& args) {
  const int result = ::seccomp_rule_add_array(context, action, number, static_cast<unsigned>(args.size()), args.data());
  // EACCES: the same as the default action, which is what happens then anyway. EDOM: not on one of the architectures.
  if (result == -EACCES || result == -EDOM || result == -EEXIST) return;
  check(result, cat("seccomp_rule_add ", name));
}

void add_rules(void* context, const Profile& profile, const Rule& rule, NewActions& new_actions) {
  const std::uint32_t action = action_of(rule.action, rule.errno_ret);
  if (action == action_of(profile.default_action, profile.default_errno_ret)) return;
  std::vector<scmp_arg_cmp> all;
  std::set<std::uint32_t> indices;
  for (const Argument& argument : rule.args) {
    if (argument.index > 5) throw invalid(cat("invalid seccomp argument index: ", argument.index));
    indices.insert(argument.index);
    all.push_back({.arg = argument.index,
                   .op = compare_of(argument.op),
                   .datum_a = argument.value,
                   .datum_b = argument.value_two});
  }
  for (const std::string& name : names_of(rule)) {
    const int number = ::seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR) {
      note_new_call(name, rule, action, new_actions);
    } else if (indices.size() == all.size()) {
      add_rule(context, action, number, name, all);
    } else {
      // Several conditions on one argument can't be joined by "and": any of them is enough, as in runc.
      for (const scmp_arg_cmp& one : all) add_rule(context, action, number, name, {one});
    }
  }
}

std::string export_program(void* context) {
  const sys::UniqueFd file = sys::memory_file("seccomp", "");
  check(::seccomp_export_bpf(context, file.get()), "seccomp_export_bpf");
  if (::lseek(file.get(), 0, SEEK_SET) < 0) throw errno_error("lseek", "seccomp filter");
  return sys::read_all(file);
}

/// Instructions in front of libseccomp's: what the new calls do that it does not know, and ENOSYS for calls newer than
/// the profile, since programs probe for those and take EPERM for a refusal. Only for x86_64 and i386, not x32.
std::string prologue(const NewActions& new_actions, bool deny_by_default) {
  constexpr std::uint32_t kX32 = 0x40000000;
  std::vector<sock_filter> code;
  const auto tail = static_cast<std::uint8_t>(2 * new_actions.size() + (deny_by_default ? 2 : 0));
  code.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)));
  code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
  code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 0, static_cast<std::uint8_t>(tail + 3)));
  code.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  code.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kFirstNew, 0, static_cast<std::uint8_t>(tail + 1)));
  code.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32, tail, 0));
  for (const auto& [number, action] : new_actions) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, action));
  }
  if (deny_by_default) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, kLastNew, 0, 1));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
  }
  return {reinterpret_cast<const char*>(code.data()), code.size() * sizeof(sock_filter)};
}

}  // namespace

Host host_with(const std::vector<std::string>& capabilities) {
  Host host;
  host.capabilities.insert(capabilities.begin(), capabilities.end());
  utsname names{};
  ::uname(&names);
  const std::vector<std::string> parts = split(names.release, '.');
  host.kernel_major = parse_number<int>(parts[0]).value_or(0);
  if (parts.size() > 1) host.kernel_minor = parse_number<int>(parts[1].substr(0, parts[1].find('-'))).value_or(0);
  return host;
}

Profile parse_profile(std::string_view text) {
  Profile profile;
  try {
    profile = json::from_json<Profile>(text);
  } catch (const Error& error) {
    throw invalid(cat("Decoding seccomp profile failed: ", error.text()));
  }
  if (!profile.architectures.empty() && !profile.arch_map.empty()) {
    throw invalid(
        "both 'architectures' and 'archMap' are specified in the seccomp profile, use either "
        "'architectures' or 'archMap'");
  }
  if (!profile.listener_path.empty()) throw not_implemented("seccomp listeners are not implemented by Berth yet");
  return profile;
}

std::string compile(const Profile& profile, const Host& host) {
  if (profile.default_action.empty() && profile.syscalls.empty()) return "";  // Docker: no filter
  const std::uint32_t otherwise = action_of(profile.default_action, profile.default_errno_ret);
  const Context context{::seccomp_init(otherwise)};
  if (!context) throw system_error("seccomp_init failed");
  check(::seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2), "seccomp_attr_set");  // a binary search tree
  for (const std::string& name : architectures_of(profile)) {
    const int result = ::seccomp_arch_add(context.get(), arch_of(name));
    if (result != -EEXIST) check(result, cat("seccomp_arch_add ", name));
  }
  NewActions new_actions;
  for (const Rule& rule : profile.syscalls) {
    if (applies(rule, host)) add_rules(context.get(), profile, rule, new_actions);
  }
  const bool deny_by_default = otherwise != SCMP_ACT_ALLOW && otherwise != SCMP_ACT_LOG;
  return prologue(new_actions, deny_by_default) + export_program(context.get());
}

}  // namespace berth::runtime::seccomp
