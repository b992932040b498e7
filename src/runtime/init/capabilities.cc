#include "runtime/init/capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "base/core/error.h"

namespace berth::runtime::init {
namespace {

// In the order of linux/capability.h.
constexpr std::string_view kNames[] = {"CAP_CHOWN",
                                       "CAP_DAC_OVERRIDE",
                                       "CAP_DAC_READ_SEARCH",
                                       "CAP_FOWNER",
                                       "CAP_FSETID",
                                       "CAP_KILL",
                                       "CAP_SETGID",
                                       "CAP_SETUID",
                                       "CAP_SETPCAP",
                                       "CAP_LINUX_IMMUTABLE",
                                       "CAP_NET_BIND_SERVICE",
                                       "CAP_NET_BROADCAST",
                                       "CAP_NET_ADMIN",
                                       "CAP_NET_RAW",
                                       "CAP_IPC_LOCK",
                                       "CAP_IPC_OWNER",
                                       "CAP_SYS_MODULE",
                                       "CAP_SYS_RAWIO",
                                       "CAP_SYS_CHROOT",
                                       "CAP_SYS_PTRACE",
                                       "CAP_SYS_PACCT",
                                       "CAP_SYS_ADMIN",
                                       "CAP_SYS_BOOT",
                                       "CAP_SYS_NICE",
                                       "CAP_SYS_RESOURCE",
                                       "CAP_SYS_TIME",
                                       "CAP_SYS_TTY_CONFIG",
                                       "CAP_MKNOD",
                                       "CAP_LEASE",
                                       "CAP_AUDIT_WRITE",
                                       "CAP_AUDIT_CONTROL",
                                       "CAP_SETFCAP",
                                       "CAP_MAC_OVERRIDE",
                                       "CAP_MAC_ADMIN",
                                       "CAP_SYSLOG",
                                       "CAP_WAKE_ALARM",
                                       "CAP_BLOCK_SUSPEND",
                                       "CAP_AUDIT_READ",
                                       "CAP_PERFMON",
                                       "CAP_BPF",
                                       "CAP_CHECKPOINT_RESTORE"};

std::uint64_t bits(const std::vector<std::string>& names) {
  std::uint64_t out = 0;
  for (const std::string& name : names) {
    if (const auto number = capability_number(name)) out |= std::uint64_t{1} << *number;
  }
  return out;
}

void set_words(__user_cap_data_struct (&data)[2], const CapabilitySets& sets) {
  for (int word = 0; word < 2; ++word) {
    data[word].effective = static_cast<std::uint32_t>(sets.effective >> (32 * word));
    data[word].permitted = static_cast<std::uint32_t>(sets.permitted >> (32 * word));
    data[word].inheritable = static_cast<std::uint32_t>(sets.inheritable >> (32 * word));
  }
}

}  // namespace

std::optional<int> capability_number(std::string_view name) {
  const auto* at = std::ranges::find(kNames, name);
  if (at == std::end(kNames)) return std::nullopt;
  return static_cast<int>(at - std::begin(kNames));
}

const std::vector<std::string>& capability_names() {
  static const std::vector<std::string> names{std::begin(kNames), std::end(kNames)};
  return names;
}

CapabilitySets capability_sets(const oci::Capabilities& capabilities) {
  return {bits(capabilities.bounding), bits(capabilities.effective), bits(capabilities.inheritable),
          bits(capabilities.permitted), bits(capabilities.ambient)};
}

void drop_bounding(const CapabilitySets& sets) {
  for (int number = 0; number < 64; ++number) {
    if ((sets.bounding >> number & 1) != 0) continue;
    const int held = ::prctl(PR_CAPBSET_READ, number, 0, 0, 0);
    if (held < 0) return;  // beyond the last one that this kernel knows
    if (held == 1 && ::prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0) throw errno_error("prctl PR_CAPBSET_DROP", "");
  }
}

void apply_capabilities(const CapabilitySets& wanted) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) throw errno_error("capget", "");
  const std::uint64_t held = data[0].permitted | std::uint64_t{data[1].permitted} << 32;

  CapabilitySets sets = wanted;
  sets.permitted &= held;
  sets.effective &= sets.permitted;
  sets.inheritable &= held;
  set_words(data, sets);
  if (::syscall(SYS_capset, &header, data) != 0) throw errno_error("capset", "");

  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (int number = 0; number < 64; ++number) {
    const std::uint64_t bit = std::uint64_t{1} << number;
    if ((sets.ambient & sets.permitted & sets.inheritable & bit) == 0) continue;
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) != 0) throw errno_error("prctl PR_CAP_AMBIENT", "");
  }
}

}  // namespace berth::runtime::init
