#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "oci/runtime_spec.h"
#include "runtime/cgroups/tree.h"

/// Mounts of a container whose content is not its own: CRIU neither saves nor makes them; it is told their host paths.
namespace berth::runtime::criu {

/// One mount that a spec asks for, by its destination as the spec writes it.
struct MountSource {
  std::string destination;
  std::string source;   ///< host path; "": CRIU makes the mount anew (proc, tmpfs, …)
  bool masked = false;  ///< covers a file that may not be there, so the mount may be missing too
  static void describe(auto& self, auto&& field) {
    field("destination", self.destination);
    field("source", self.source);
    field("masked", self.masked);
  }
};

/// Everything that a start of this spec mounts. `init_path` as in LaunchRequest.
std::vector<MountSource> mount_sources(const oci::Spec& spec, const std::string& init_path, const cgroups::Tree& tree);

/// An external mount as it was found in a container.
struct ExternalMount {
  std::string mountpoint;   ///< as the kernel shows it: links of the image on the way are resolved
  std::string destination;  ///< of the MountSource that it comes from
  std::string below;        ///< "/sub/folder": one of the mounts that a recursive bind took along; else ""
  static void describe(auto& self, auto&& field) {
    field("mountpoint", self.mountpoint);
    field("destination", self.destination);
    field("below", self.below);
  }
};

struct MountLine {
  int id = 0;
  std::string mountpoint;
};
/// Content of /proc/PID/mountinfo. Lines that are none are left out.
std::vector<MountLine> parse_mountinfo(std::string_view text);

/// Which of `lines` are external. `ids`: for each source the mount that stands at its destination, 0 for none.
std::vector<ExternalMount> external_mounts(const std::vector<MountSource>& sources, const std::vector<int>& ids,
                                           const std::vector<MountLine>& lines);

/// The same for a running container.
std::vector<ExternalMount> find_external_mounts(const std::vector<MountSource>& sources, pid_t init);

}  // namespace berth::runtime::criu
