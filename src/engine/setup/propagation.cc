// Binds that pass mounts on to the host (shared)
#include <filesystem>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "engine/container_setup.h"
#include "engine/setup/parts.h"

namespace berth::engine {

namespace {

bool lies_in(std::string_view path, std::string_view folder) {
  return folder == "/" || path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

/// The kernel writes white space and backslashes as \040.
std::string unescaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const bool escape = text.size() >= 4 && text[0] == '\\';
    out += escape ? static_cast<char>((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0')) : text[0];
    text.remove_prefix(escape ? 4 : 1);
  }
  return out;
}

}  // namespace

namespace setup {

/// Spec: proc_pid_mountinfo(5); the fifth field is the mount point, optional fields ("shared:1") end at " - ".
MountOfPath find_mount(std::string_view mountinfo, std::string_view path) {
  MountOfPath found;
  for (const std::string& line : split(mountinfo, '\n')) {
    const std::vector<std::string> fields = split(line.substr(0, line.find(" - ")), ' ');
    if (fields.size() < 6) continue;
    std::string point = unescaped(fields[4]);
    // Of several at one place the last one is on top.
    if (!lies_in(path, point) || point.size() < found.mount_point.size()) continue;
    found = {.mount_point = std::move(point), .shared = false};
    for (std::size_t i = 6; i < fields.size(); ++i) found.shared |= fields[i].starts_with("shared:");
  }
  return found;
}

}  // namespace setup

void check_shared_binds(const container::Record& record) {
  for (const container::MountPoint& point : record.mount_points) {
    if (point.type != "bind" || !point.propagation.ends_with("shared")) continue;
    const std::string source = std::filesystem::weakly_canonical(point.source).string();
    const setup::MountOfPath mount = setup::find_mount(sys::read_file("/proc/self/mountinfo"), source);
    if (mount.shared) continue;
    throw system_error(
        cat("path ", point.source, " is mounted on ", mount.mount_point, " but it is not a shared mount"));
  }
}

}  // namespace berth::engine
