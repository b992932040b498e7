#include "image/platform.h"

#include <sys/utsname.h>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::image {

namespace {

struct Alias {
  std::string_view name, architecture, variant;
};
constexpr Alias kAliases[] = {
    {"x86_64", "amd64", ""}, {"x86-64", "amd64", ""}, {"aarch64", "arm64", ""}, {"i386", "386", ""},
    {"i686", "386", ""},     {"armhf", "arm", "v7"},  {"armel", "arm", "v6"},   {"armv7l", "arm", "v7"},
    {"armv6l", "arm", "v6"}, {"armv8l", "arm", "v7"},
};
constexpr std::string_view kArchitectures[] = {"amd64",   "arm64",    "arm",  "386",     "ppc64le", "s390x",
                                               "riscv64", "mips64le", "mips", "loong64", "ppc64",   "mips64"};

bool is_architecture(std::string_view name) {
  for (const std::string_view known : kArchitectures) {
    if (name == known) return true;
  }
  return false;
}

void set_architecture(oci::Platform& platform, const std::string& name) {
  platform.architecture = name;
  for (const Alias& alias : kAliases) {
    if (name != alias.name) continue;
    platform.architecture = alias.architecture;
    platform.variant = alias.variant;
  }
}

/// The variant that a platform without one means.
std::string_view variant_of(const oci::Platform& platform) {
  if (!platform.variant.empty()) return platform.variant;
  if (platform.architecture == "arm64") return "v8";
  if (platform.architecture == "arm") return "v7";
  if (platform.architecture == "amd64") return "v1";
  return "";
}

/// 0: does not run; more is better. Newer variants run what was made for older ones.
int fitness(const oci::Platform& offered, const oci::Platform& wanted) {
  oci::Platform normal = offered;
  set_architecture(normal, to_lower(offered.architecture));
  if (!offered.variant.empty()) normal.variant = offered.variant;
  if (to_lower(normal.os) != wanted.os || normal.architecture != wanted.architecture) return 0;
  const std::string_view has = variant_of(normal), needs = variant_of(wanted);
  if (has == needs) return 100;
  const auto number = [](std::string_view variant) {
    return parse_number<int>(variant.substr(variant.empty() ? 0 : 1));
  };
  const auto a = number(has), b = number(needs);
  return a && b && *a < *b ? *a : 0;
}

}  // namespace

oci::Platform host_platform() {
  utsname info{};
  ::uname(&info);
  oci::Platform platform{.architecture = {}, .os = "linux", .os_version = {}, .variant = {}};
  set_architecture(platform, info.machine);
  return platform;
}

std::string host_architecture() { return host_platform().architecture; }

oci::Platform parse_platform(const std::string& text) {
  oci::Platform platform = host_platform();
  if (text.empty()) return platform;
  const std::vector<std::string> parts = split(to_lower(text), '/');
  for (const std::string& part : parts) {
    if (part.empty() || part.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-.") != std::string::npos) {
      throw invalid(cat(quoted(text), " is an invalid component of ", quoted(text),
                        ": platform specifier component must match \"^[A-Za-z0-9_-]+$\": invalid argument"));
    }
  }
  if (parts.size() > 3) throw invalid(cat(quoted(text), ": cannot parse platform specifier: invalid argument"));
  if (parts.size() == 1) {
    oci::Platform guess = platform;
    set_architecture(guess, parts[0]);
    if (is_architecture(guess.architecture)) return guess;
    platform.os = parts[0] == "macos" ? "darwin" : parts[0];
    if (platform.os != "linux" && platform.os != "windows" && platform.os != "darwin" && platform.os != "freebsd") {
      throw invalid(cat(quoted(text), ": unknown operating system or architecture: invalid argument"));
    }
    return platform;
  }
  platform.os = parts[0];
  platform.variant.clear();
  set_architecture(platform, parts[1]);
  if (parts.size() == 3) platform.variant = parts[2];
  return platform;
}

std::string platform_text(const oci::Platform& platform) {
  std::string text = cat(platform.os, "/", platform.architecture);
  if (!platform.variant.empty()) text += cat("/", platform.variant);
  return text;
}

const oci::Descriptor* choose_platform(const std::vector<oci::Descriptor>& manifests, const oci::Platform& wanted) {
  const oci::Descriptor* best = nullptr;
  int best_fitness = 0;
  for (const oci::Descriptor& manifest : manifests) {
    const int fits = manifest.platform ? fitness(*manifest.platform, wanted) : 1;
    if (fits <= best_fitness) continue;
    best = &manifest;
    best_fitness = fits;
  }
  return best;
}

}  // namespace berth::image
