#pragma once

#include <string>

/// Whole folder trees, entry by entry, with owners, modes, times and attributes.
namespace berth::graph {

enum class CopyMode {
  hard_link,  ///< files are shared: for trees that never change
  full,       ///< own files (reflinks where the file system has them); hard links among them stay
};

/// Makes `to` (which must exist) like `from`.
void copy_tree(const std::string& from, const std::string& to, CopyMode mode);

/// Lays the changes in `diff` (overlayfs's form of whiteouts, or what stands in for it: archive/unpack.h) over the
/// plain tree `to`; files are shared by hard links.
void apply_overlay_diff(const std::string& diff, const std::string& to);

}  // namespace berth::graph
