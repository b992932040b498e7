#pragma once

#include <string>
#include <vector>

#include "base/core/stream.h"

namespace berth::cli {

/// A busybox that needs no libraries: this host's own, or that of Debian's package, fetched by apt.
/// Throws not_found when there is neither.
std::string find_static_busybox();
std::vector<std::string> busybox_applets(const std::string& program_path);
bool is_static_elf(std::string_view program);  ///< by its program headers: no interpreter

/// The tree of the image as a tar archive: the program with a hard link for each applet, and a small /etc.
void write_busybox_tree(ByteSink& out, std::string_view program, const std::vector<std::string>& applets);

}  // namespace berth::cli
