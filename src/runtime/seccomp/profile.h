#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json/json.h"

/// Seccomp filters for containers: Docker's profiles compiled to the kernel's programs, in the daemon. The shim gets
/// the bytes and needs no libseccomp.
namespace berth::runtime::seccomp {

/// When a rule applies: all that is given must hold (includes), or none of it may (excludes).
struct Condition {
  std::vector<std::string> caps, arches;
  std::string min_kernel;  ///< "4.8"
  static void describe(auto& self, auto&& field) {
    field("caps", self.caps);
    field("arches", self.arches);
    field("minKernel", self.min_kernel);
  }
};

struct Argument {
  std::uint32_t index = 0;
  std::uint64_t value = 0, value_two = 0;
  std::string op;  ///< "SCMP_CMP_EQ"; with SCMP_CMP_MASKED_EQ value is the mask, value_two what is left
  static void describe(auto& self, auto&& field) {
    field("index", self.index);
    field("value", self.value);
    field("valueTwo", self.value_two);
    field("op", self.op);
  }
};

struct Rule {
  std::vector<std::string> names;
  std::string name;  ///< old profiles have one name
  std::string action;
  std::optional<std::int64_t> errno_ret;
  std::vector<Argument> args;
  Condition includes, excludes;
  static void describe(auto& self, auto&& field) {
    field("names", self.names);
    field("name", self.name);
    field("action", self.action);
    field("errnoRet", self.errno_ret);
    field("args", self.args);
    field("includes", self.includes);
    field("excludes", self.excludes);
  }
};

struct ArchMap {
  std::string architecture;
  std::vector<std::string> sub_architectures;
  static void describe(auto& self, auto&& field) {
    field("architecture", self.architecture);
    field("subArchitectures", self.sub_architectures);
  }
};

/// Docker's schema for --security-opt seccomp=<json>.
struct Profile {
  std::string default_action;
  std::optional<std::int64_t> default_errno_ret;
  std::vector<std::string> architectures;
  std::vector<ArchMap> arch_map;
  std::string listener_path;
  std::vector<Rule> syscalls;
  static void describe(auto& self, auto&& field) {
    field("defaultAction", self.default_action);
    field("defaultErrnoRet", self.default_errno_ret);
    field("architectures", self.architectures);
    field("archMap", self.arch_map);
    field("listenerPath", self.listener_path);
    field("syscalls", self.syscalls);
  }
};

/// What conditions are held against.
struct Host {
  std::set<std::string> capabilities;  ///< the container's bounding set: "CAP_CHOWN"
  int kernel_major = 0, kernel_minor = 0;
};
/// This kernel's version (uname) and the container's capabilities.
Host host_with(const std::vector<std::string>& capabilities);

const Profile& default_profile();
/// Throws invalid ("Decoding seccomp profile failed: …").
Profile parse_profile(std::string_view json);

/// An array of struct sock_filter as bytes, as seccomp(2) takes it. Takes some 15 ms. Throws invalid for what the
/// profile says wrongly, not_implemented for SCMP_ACT_NOTIFY and listeners, system when libseccomp fails.
std::string compile(const Profile& profile, const Host& host);

}  // namespace berth::runtime::seccomp
