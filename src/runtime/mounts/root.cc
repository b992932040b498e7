#include "runtime/mounts/root.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "runtime/mounts/mount_api.h"

namespace berth::runtime::mounts {
namespace {

/// Before Linux 6.5 overlay only collects what it is told and looks at it when mounting: then every key is "known", and
/// `lowerdir+` would only be refused with all the rest.
bool takes_any_key() { return NewFilesystem{"overlay"}.try_set("berth-asks", "whether keys are looked at"); }

/// nullopt when this kernel wants all lower folders in one string.
std::optional<sys::UniqueFd> open_overlay(const shim::RootMount& root, bool in_user_namespace) {
  if (takes_any_key()) return std::nullopt;
  NewFilesystem overlay{"overlay"};
  for (const std::string& lower : root.lower_dirs) {
    if (!overlay.try_set("lowerdir+", lower)) {
      if (errno == EINVAL && &lower == &root.lower_dirs.front()) return std::nullopt;
      throw errno_error("overlay lowerdir", lower);
    }
  }
  overlay.set("upperdir", root.upper_dir);
  overlay.set("workdir", root.work_dir);
  // What a container writes must be all in its own layer, whatever the kernel's defaults: commit and export read it.
  // (With userxattr they are off, and naming them is an error.)
  if (!in_user_namespace) {
    overlay.try_set("redirect_dir", "off");
    overlay.try_set("metacopy", "off");
  }
  overlay.try_set("index", "off");  // hard links may break on copy-up, as with Docker; a busy upper is no failure
  if (in_user_namespace) overlay.set_flag("userxattr");
  if (root.volatile_upper) overlay.set_flag("volatile");
  return overlay.finish(0);
}

std::string common_folder(const shim::RootMount& root) {
  std::string common = root.upper_dir;
  const auto shorten = [&](const std::string& other) {
    const auto [end, unused] = std::ranges::mismatch(common, other);
    common.resize(static_cast<std::size_t>(end - common.begin()));
  };
  for (const std::string& lower : root.lower_dirs) shorten(lower);
  shorten(root.work_dir);
  common.resize(common.rfind('/') + 1);
  return common;
}

/// The old call takes at most a page of options: so paths are relative to the folder that all have in common.
sys::UniqueFd mount_overlay(const shim::RootMount& root, bool in_user_namespace) {
  const std::string common = common_folder(root);
  const auto relative = [&](const std::string& path) { return path.substr(common.size()); };
  std::string lower;
  for (const std::string& path : root.lower_dirs) lower += (lower.empty() ? "" : ":") + relative(path);
  std::string data = cat("lowerdir=", lower, ",upperdir=", relative(root.upper_dir),
                         ",workdir=", relative(root.work_dir), ",index=off");
  data += in_user_namespace ? ",userxattr" : ",redirect_dir=off,metacopy=off";
  if (root.volatile_upper) data += ",volatile";

  if (::chdir(common.c_str()) != 0) throw errno_error("chdir", common);
  if (::mount("overlay", root.upper_dir.c_str(), "overlay", 0, data.c_str()) != 0) {
    throw errno_error("mount overlay", root.upper_dir);
  }
  return sys::open_file(root.upper_dir, O_PATH | O_DIRECTORY);
}

}  // namespace

sys::UniqueFd open_root(const shim::RootMount& root, bool in_user_namespace) {
  if (!root.overlay) return clone_tree(root.upper_dir, true);
  if (root.lower_dirs.empty()) return clone_tree(root.upper_dir, true);  // an image without layers
  if (root.volatile_upper) {
    // Overlay refuses a work folder whose last use was volatile, for fear of a power cut in between; then the whole
    // container would be gone.
    sys::remove_tree(cat(root.work_dir, "/work/incompat"));
  }
  if (std::optional<sys::UniqueFd> mount = open_overlay(root, in_user_namespace)) return std::move(*mount);
  return mount_overlay(root, in_user_namespace);
}

void pivot_into(sys::FdRef root, bool attached, bool host_is_peer) {
  const sys::UniqueFd old_root = sys::open_file("/", O_PATH | O_DIRECTORY);
  if (!attached) attach_over_root(root);
  if (::fchdir(root.get()) != 0) throw errno_error("fchdir", "root file system");
  // The old root ends on top of the new one, at the same place; from there it is taken away.
  if (::syscall(SYS_pivot_root, ".", ".") != 0) throw errno_error("pivot_root", "");
  if (::fchdir(old_root.get()) != 0) throw errno_error("fchdir", "old root");
  // Or the host would lose its mounts together with us.
  if (host_is_peer && ::mount(nullptr, ".", nullptr, MS_SLAVE | MS_REC, nullptr) != 0) throw errno_error("mount", ".");
  if (::umount2(".", MNT_DETACH) != 0) throw errno_error("umount2", "old root");
  if (::chdir("/") != 0) throw errno_error("chdir", "/");
}

}  // namespace berth::runtime::mounts
