#pragma once

#include <linux/bpf.h>

#include <vector>

#include "base/sys/fd.h"
#include "oci/runtime_spec.h"

namespace berth::runtime::cgroups {

/// The device rules as an eBPF program for BPF_PROG_TYPE_CGROUP_DEVICE: it returns 1 to allow. Later rules win, what no
/// rule speaks of is denied. Throws invalid for an unknown type or access letter.
/// Spec: kernel admin-guide/cgroup-v2.rst, "Device controller"; uapi linux/bpf.h, struct bpf_cgroup_dev_ctx.
std::vector<bpf_insn> compile_device_program(const std::vector<oci::DeviceRule>& rules);

/// Loads the program for `rules` and puts it in the place of the one that `group` has (or has not).
void attach_device_program(sys::FdRef group, const std::vector<oci::DeviceRule>& rules);

}  // namespace berth::runtime::cgroups
