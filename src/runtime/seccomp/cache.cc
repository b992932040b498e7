#include "runtime/seccomp/cache.h"

#include <algorithm>
#include <cstdint>

#include "base/core/binary.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "runtime/seccomp/profile.h"

namespace berth::runtime::seccomp {

namespace {

constexpr std::string_view kFormat = "berth seccomp 1 " BERTH_VERSION;  // the default profile changes with versions
constexpr std::size_t kMostPrograms = 64;
constexpr std::size_t kMostFiles = 256;
constexpr std::size_t kInstructionBytes = 8, kMostInstructions = 4096;  // BPF_MAXINSNS

/// FNV-1a. Names files and finds torn ones; the whole key is compared besides.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return value;
}

struct Stored {
  std::string key, program;
  std::uint64_t checksum = 0;
  static void describe(auto& self, auto&& field) {
    field("key", self.key);
    field("program", self.program);
    field("checksum", self.checksum);
  }
};

std::string key_of(const std::string& profile, const Host& host) {
  const std::vector<std::string> capabilities(host.capabilities.begin(), host.capabilities.end());
  return cat(kFormat, '\n', host.kernel_major, '.', host.kernel_minor, '\n', join(capabilities, " "), '\n', profile);
}

}  // namespace

std::string Cache::path_of(const std::string& key) const {
  const std::uint64_t value = hash(key);
  return cat(folder_, "/", to_hex({reinterpret_cast<const char*>(&value), sizeof value}), ".bpf");
}

std::string Cache::load(const std::string& key) const {
  if (folder_.empty()) return "";
  try {
    const auto content = sys::read_file_if_exists(path_of(key), 1 << 20);
    if (!content) return "";
    Stored stored = binary::decode<Stored>(*content);
    const std::size_t size = stored.program.size();
    const bool good = stored.key == key && stored.checksum == hash(stored.program) && size != 0 &&
                      size % kInstructionBytes == 0 && size / kInstructionBytes <= kMostInstructions;
    return good ? std::move(stored.program) : "";
  } catch (const Error&) {
    return "";  // it is a cache: what cannot be read is made again
  }
}

void Cache::store(const std::string& key, const std::string& program) const {
  if (folder_.empty() || program.empty()) return;
  try {
    sys::ensure_private_dir(folder_);
    if (sys::list_dir(folder_).size() >= kMostFiles) return;
    sys::write_file_durably(path_of(key), binary::encode(Stored{key, program, hash(program)}), 0600);
  } catch (const Error&) {
    // A full disk must not keep a container from starting.
  }
}

std::string Cache::program(const std::string& profile, const std::vector<std::string>& capabilities) {
  const Host host = host_with(capabilities);
  const std::string key = key_of(profile, host);
  {
    const std::lock_guard lock{mutex_};
    if (const auto found = programs_.find(key); found != programs_.end()) return found->second;
  }
  std::string program = load(key);
  if (program.empty()) {
    program = compile(profile.empty() ? default_profile() : parse_profile(profile), host);
    store(key, program);
  }
  const std::lock_guard lock{mutex_};
  if (programs_.size() >= kMostPrograms) programs_.clear();
  programs_[key] = program;
  return program;
}

}  // namespace berth::runtime::seccomp
