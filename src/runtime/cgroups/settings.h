#pragma once

#include <string>
#include <vector>

#include "oci/runtime_spec.h"

namespace berth::runtime::cgroups {

/// One value to be written to one of the kernel's files.
struct Setting {
  std::string controller;  ///< v1: which hierarchy; v2: ""
  std::string file;
  std::string value;
  bool optional = false;  ///< no failure when this kernel doesn't have the file
};

/// The writes that carry `resources` out, in an order that the kernel accepts. Device rules of v2 are no files, see
/// device_program.h. Spec: opencontainers/runtime-spec config-linux.md; kernel admin-guide/cgroup-v1, cgroup-v2.rst.
std::vector<Setting> settings_v1(const oci::Resources& resources);
/// Throws invalid for what v2 can't do (a real-time budget, swap below memory).
std::vector<Setting> settings_v2(const oci::Resources& resources);

/// cpu.weight (1 to 10000) for cpu.shares (2 to 262144): the same formula as everybody uses, so that 1024 is 39.
std::uint64_t weight_of_shares(std::uint64_t shares);
/// io.weight (1 to 10000) for Docker's --blkio-weight (10 to 1000).
std::uint64_t weight_of_block_io(std::uint64_t weight);

}  // namespace berth::runtime::cgroups
