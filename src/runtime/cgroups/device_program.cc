#include "runtime/cgroups/device_program.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <ranges>
#include <string>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::runtime::cgroups {
namespace {

// Registers while the program runs. r0 is the verdict, r1 the context at the start.
constexpr std::uint8_t kVerdict = 0, kScratch = 1, kType = 2, kAccess = 3, kMajor = 4, kMinor = 5;

bpf_insn load_word(std::uint8_t to, std::uint8_t from, std::int16_t offset) {
  return {.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = to, .src_reg = from, .off = offset, .imm = 0};
}
bpf_insn operate(std::uint8_t operation, std::uint8_t to, std::int32_t value) {
  return {.code = static_cast<std::uint8_t>(BPF_ALU | operation | BPF_K),
          .dst_reg = to,
          .src_reg = 0,
          .off = 0,
          .imm = value};
}
bpf_insn copy(std::uint8_t to, std::uint8_t from) {
  return {.code = BPF_ALU | BPF_MOV | BPF_X, .dst_reg = to, .src_reg = from, .off = 0, .imm = 0};
}
bpf_insn jump_unless_equal(std::uint8_t reg, std::int32_t value) {
  return {.code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = reg, .src_reg = 0, .off = 0, .imm = value};
}
bpf_insn jump_unless_zero(std::uint8_t reg) { return jump_unless_equal(reg, 0); }
bpf_insn leave() { return {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}; }

std::int32_t access_mask(const std::string& access) {
  std::int32_t mask = 0;
  for (const char letter : access) {
    if (letter == 'r')
      mask |= BPF_DEVCG_ACC_READ;
    else if (letter == 'w')
      mask |= BPF_DEVCG_ACC_WRITE;
    else if (letter == 'm')
      mask |= BPF_DEVCG_ACC_MKNOD;
    else
      throw invalid(cat("unknown device access ", quoted(access)));
  }
  return mask;
}

constexpr std::int32_t kAllAccess = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD;

/// One rule: conditions that jump behind it, then its verdict.
void add_rule(std::vector<bpf_insn>& program, const oci::DeviceRule& rule) {
  const std::size_t begin = program.size();
  if (rule.type == "c" || rule.type == "b") {
    program.push_back(jump_unless_equal(kType, rule.type == "c" ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK));
  } else if (!rule.type.empty() && rule.type != "a") {
    throw invalid(cat("unknown device type ", quoted(rule.type)));
  }
  const std::int32_t access = rule.access.empty() ? kAllAccess : access_mask(rule.access);
  if (access != kAllAccess) {
    program.push_back(copy(kScratch, kAccess));
    if (rule.allow) {  // every access asked for must be in the rule
      program.push_back(operate(BPF_AND, kScratch, ~access & kAllAccess));
      program.push_back(jump_unless_zero(kScratch));
    } else {  // one of the accesses asked for is enough to be refused
      program.push_back(operate(BPF_AND, kScratch, access));
      program.push_back({.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = kScratch, .src_reg = 0, .off = 0, .imm = 0});
    }
  }
  if (rule.major && *rule.major >= 0)
    program.push_back(jump_unless_equal(kMajor, static_cast<std::int32_t>(*rule.major)));
  if (rule.minor && *rule.minor >= 0)
    program.push_back(jump_unless_equal(kMinor, static_cast<std::int32_t>(*rule.minor)));
  program.push_back(operate(BPF_MOV, kVerdict, rule.allow ? 1 : 0));
  program.push_back(leave());
  for (std::size_t i = begin; i < program.size(); ++i) {
    const std::uint8_t code = program[i].code;
    if (code == (BPF_JMP | BPF_JNE | BPF_K) || code == (BPF_JMP | BPF_JEQ | BPF_K)) {
      program[i].off = static_cast<std::int16_t>(program.size() - i - 1);
    }
  }
}

bool decides_everything(const oci::DeviceRule& rule) {
  return (rule.type.empty() || rule.type == "a") && !(rule.major && *rule.major >= 0) &&
         !(rule.minor && *rule.minor >= 0) && (rule.access.empty() || access_mask(rule.access) == kAllAccess);
}

long bpf(int command, bpf_attr& attributes) { return ::syscall(SYS_bpf, command, &attributes, sizeof attributes); }

sys::UniqueFd load(const std::vector<bpf_insn>& program) {
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attributes.insns = reinterpret_cast<std::uintptr_t>(program.data());
  attributes.insn_cnt = static_cast<std::uint32_t>(program.size());
  attributes.license = reinterpret_cast<std::uintptr_t>("Apache-2.0");
  const long fd = bpf(BPF_PROG_LOAD, attributes);
  if (fd < 0) throw errno_error("bpf", "loading the device rules");
  return sys::UniqueFd{static_cast<int>(fd)};
}

/// Programs that were attached before (by the last `set`); they all have to agree, so they must go.
std::vector<std::uint32_t> attached_programs(sys::FdRef group) {
  std::vector<std::uint32_t> ids(64);
  bpf_attr attributes{};
  attributes.query.target_fd = static_cast<std::uint32_t>(group.get());
  attributes.query.attach_type = BPF_CGROUP_DEVICE;
  attributes.query.prog_ids = reinterpret_cast<std::uintptr_t>(ids.data());
  attributes.query.prog_cnt = static_cast<std::uint32_t>(ids.size());
  if (bpf(BPF_PROG_QUERY, attributes) != 0) throw errno_error("bpf", "query of device rules");
  ids.resize(attributes.query.prog_cnt);
  return ids;
}

void detach(sys::FdRef group, std::uint32_t id) {
  bpf_attr open{};
  open.prog_id = id;
  const sys::UniqueFd program{static_cast<int>(bpf(BPF_PROG_GET_FD_BY_ID, open))};
  if (!program) throw errno_error("bpf", "opening device rules");
  bpf_attr attributes{};
  attributes.target_fd = static_cast<std::uint32_t>(group.get());
  attributes.attach_bpf_fd = static_cast<std::uint32_t>(program.get());
  attributes.attach_type = BPF_CGROUP_DEVICE;
  if (bpf(BPF_PROG_DETACH, attributes) != 0) throw errno_error("bpf", "detaching device rules");
}

}  // namespace

std::vector<bpf_insn> compile_device_program(const std::vector<oci::DeviceRule>& rules) {
  // access_type holds the type in its lower half and the wanted accesses in its upper one.
  std::vector<bpf_insn> program = {
      load_word(kType, kScratch, offsetof(bpf_cgroup_dev_ctx, access_type)),
      copy(kAccess, kType),
      operate(BPF_AND, kType, 0xffff),
      operate(BPF_RSH, kAccess, 16),
      load_word(kMajor, kScratch, offsetof(bpf_cgroup_dev_ctx, major)),
      load_word(kMinor, kScratch, offsetof(bpf_cgroup_dev_ctx, minor)),
  };
  // Later rules win: so they are asked first, and one that speaks of everything ends the list.
  for (const oci::DeviceRule& rule : rules | std::views::reverse) {
    add_rule(program, rule);
    if (decides_everything(rule)) return program;
  }
  program.push_back(operate(BPF_MOV, kVerdict, 0));
  program.push_back(leave());
  return program;
}

void attach_device_program(sys::FdRef group, const std::vector<oci::DeviceRule>& rules) {
  const sys::UniqueFd program = load(compile_device_program(rules));
  const std::vector<std::uint32_t> old = attached_programs(group);
  bpf_attr attributes{};
  attributes.target_fd = static_cast<std::uint32_t>(group.get());
  attributes.attach_bpf_fd = static_cast<std::uint32_t>(program.get());
  attributes.attach_type = BPF_CGROUP_DEVICE;
  attributes.attach_flags = BPF_F_ALLOW_MULTI;
  if (bpf(BPF_PROG_ATTACH, attributes) != 0) throw errno_error("bpf", "attaching device rules");
  for (const std::uint32_t id : old) detach(group, id);
}

}  // namespace berth::runtime::cgroups
