#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "archive/tar_writer.h"

/// What a container has made of its image: the difference, as a list and as a layer, and the whole.
namespace berth::graph {

/// Folders of a container's tree and of what it began with. All of them may be looked at while the container runs.
struct ContainerTrees {
  std::string upper;               ///< what was written on top
  std::vector<std::string> lower;  ///< below, topmost first
  bool upper_is_whole = false;     ///< vfs: `upper` has everything, `lower` is one whole tree; no whiteouts
};

/// What the first start has written: /etc/mtab, a link to /proc/mounts, where the image has none. dockerd keeps that in
/// a layer of its own, so it doesn't count as the container's.
std::uint64_t bytes_of_start(const ContainerTrees& trees);

enum class ChangeKind { modified = 0, added = 1, deleted = 2 };

struct Change {
  std::string path;  ///< "/etc/passwd"
  ChangeKind kind{};
  bool operator==(const Change&) const = default;
};

/// As dockerd compares: type, mode, owner, device, capability, and of everything but folders size and time. A folder in
/// which something has changed counts as modified and comes before it. What lies in a folder that is gone is not
/// listed. Sorted by path, folders before their content. `made_by_runtime`: paths (with leading slash) that the start
/// of a container makes, empty, where the image does not have them; not listed as long as they are so.
std::vector<Change> find_changes(const ContainerTrees& trees, const std::set<std::string>& made_by_runtime);

/// The same as the tar of a layer, with whiteouts (OCI image-spec layer.md). The archive is not finished.
void write_changes(const ContainerTrees& trees, const std::set<std::string>& made_by_runtime, archive::TarWriter& tar);

/// The whole tree as the container sees it, without what is mounted in it. The archive is not finished.
void write_container_tree(const ContainerTrees& trees, archive::TarWriter& tar);

}  // namespace berth::graph
