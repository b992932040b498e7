#include "base/core/error.h"
#include "base/core/text.h"
#include "engine/setup/parts.h"

namespace berth::engine::setup {

namespace {

/// Go's strconv.ParseBool.
std::optional<bool> parse_bool(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

}  // namespace

SecurityOptions parse_security_options(const container::HostConfig& host_config, const SetupDefaults& defaults) {
  SecurityOptions out{.no_new_privileges = defaults.no_new_privileges};
  for (const std::string& option : host_config.security_opt) {
    if (option == "no-new-privileges") {
      out.no_new_privileges = true;
      continue;
    }
    if (option == "writable-cgroups") {
      out.writable_cgroups = true;
      continue;
    }
    if (option == "disable") {
      out.labels.push_back(option);
      continue;
    }
    // "=" wins over the old ":", which may stand inside a value (label=type:x).
    const bool has_equals = option.find('=') != std::string::npos;
    const std::size_t at = option.find(has_equals ? '=' : ':');
    if (at == std::string::npos) throw invalid(cat("invalid --security-opt 1: ", quoted(option)));
    const std::string key = option.substr(0, at), value = option.substr(at + 1);
    const auto boolean = [&] {
      if (const auto parsed = parse_bool(value)) return *parsed;
      throw invalid(cat("invalid --security-opt 2: ", quoted(option)));
    };
    if (key == "label") {
      out.labels.push_back(value);
    } else if (key == "apparmor") {
      out.apparmor = value;
    } else if (key == "seccomp") {
      out.seccomp = value;
    } else if (key == "no-new-privileges") {
      out.no_new_privileges = boolean();
    } else if (key == "writable-cgroups") {
      out.writable_cgroups = boolean();
    } else if (key == "systempaths" && value == "unconfined") {
      out.unconfined_system_paths = true;  // docker's client turns this into empty MaskedPaths and ReadonlyPaths
    } else {
      throw invalid(cat("invalid --security-opt 2: ", quoted(option)));
    }
  }
  return out;
}

const std::vector<std::string>& default_masked_paths() {
  static const std::vector<std::string> kPaths{"/proc/acpi",
                                               "/proc/asound",
                                               "/proc/interrupts",
                                               "/proc/kcore",
                                               "/proc/keys",
                                               "/proc/latency_stats",
                                               "/proc/sched_debug",
                                               "/proc/scsi",
                                               "/proc/timer_list",
                                               "/proc/timer_stats",
                                               "/sys/devices/virtual/powercap",
                                               "/sys/firmware"};
  return kPaths;
}

const std::vector<std::string>& default_readonly_paths() {
  static const std::vector<std::string> kPaths{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                               "/proc/sysrq-trigger"};
  return kPaths;
}

}  // namespace berth::engine::setup
