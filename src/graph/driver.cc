#include "graph/driver.h"

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "graph/overlay2/overlay2.h"
#include "graph/vfs/vfs.h"

namespace berth::graph {

std::unique_ptr<Driver> open_driver(const std::string& root, const std::string& driver_name) {
  const std::string overlay_root = cat(root, "/overlay2"), vfs_root = cat(root, "/vfs");
  if (driver_name == "vfs") return open_vfs(vfs_root);
  if (!driver_name.empty() && driver_name != "overlay2") {
    throw invalid(cat("graphdriver: unknown storage driver ", quoted(driver_name), "; there are overlay2 and vfs"));
  }
  sys::ensure_private_dir(overlay_root);
  if (overlay_works(overlay_root)) return open_overlay2(overlay_root);
  if (driver_name == "overlay2") {
    throw system_error(cat("overlayfs does not work below ", overlay_root, "; use --storage-driver vfs"));
  }
  return open_vfs(vfs_root);
}

}  // namespace berth::graph
