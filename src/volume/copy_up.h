#pragma once

#include <string>
#include <vector>

namespace berth::volume {

/// Copies what an image has at `path` into the folder `target`, if `target` is empty: the image's files as a container
/// would see them, with owner, mode, times and extended attributes; `target` itself gets owner and mode of the image's
/// folder. Nothing happens when the image has no folder there.
///
/// lower_dirs  the image's layers as folders, topmost first, whiteouts and opaque folders in overlayfs' form
///
/// Layers come from strangers: symlinks in `path` are followed within the image, those in the content are copied as
/// they are, and nothing is opened through one.
void copy_up(const std::vector<std::string>& lower_dirs, const std::string& path, const std::string& target);

}  // namespace berth::volume
