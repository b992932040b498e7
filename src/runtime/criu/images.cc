#include "runtime/criu/images.h"

#include "base/core/binary.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::runtime::criu {
namespace {

constexpr const char* kFile = "/berth-checkpoint";
constexpr std::string_view kMagic = "berth checkpoint 1\n";
constexpr std::size_t kMostErrors = 3;  ///< the first ones are the cause; the rest is how CRIU gave up

}  // namespace

void write_descriptor(const std::string& folder, const Descriptor& descriptor) {
  sys::write_file(folder + kFile, cat(kMagic, binary::encode(descriptor)), 0600);
}

Descriptor read_descriptor(const std::string& folder) {
  const std::optional<std::string> bytes = sys::read_file_if_exists(folder + kFile);
  if (!bytes || !bytes->starts_with(kMagic)) throw invalid(cat(folder, " holds no checkpoint made by Berth"));
  return binary::decode<Descriptor>(std::string_view{*bytes}.substr(kMagic.size()));
}

bool holds_checkpoint(const std::string& folder) { return sys::exists(folder + kFile); }

std::string pipe_key(std::uint64_t inode) { return cat("pipe:[", inode, "]"); }

std::string errors_in_log(std::string_view log) {
  std::vector<std::string> found;
  for (const std::string& line : split(log, '\n')) {
    // "(00.012345)     12: Error (criu/mount.c:671): mnt: …"
    const std::size_t error = line.find("Error (");
    const std::size_t text = error == std::string::npos ? error : line.find("): ", error);
    if (text == std::string::npos || found.size() == kMostErrors) continue;
    found.emplace_back(trim(std::string_view{line}.substr(text + 3)));
  }
  return join(found, "; ");
}

std::string errors_in_log_file(const std::string& path) {
  try {
    return errors_in_log(sys::read_file_if_exists(path).value_or(""));
  } catch (const Error&) {
    return "";
  }
}

}  // namespace berth::runtime::criu
