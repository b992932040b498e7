#pragma once

#include <functional>
#include <string>

#include "archive/tar_writer.h"
#include "archive/unpack.h"
#include "base/sys/fd.h"

namespace berth::archive {

struct TreeOptions {
  std::string prefix{};                    ///< put in front of every path ("" or "dir"); the root itself gets it alone
  bool include_root = false;               ///< an entry for the folder itself ("./" without a prefix)
  Whiteouts whiteouts = Whiteouts::plain;  ///< overlay: overlayfs's whiteouts are written in the ".wh." form
  /// Asked for every path (below the root, before the prefix); false leaves it and all below out. Empty: everything.
  std::function<bool(const std::string&)> include{};
};

/// Writes a folder tree: sorted by name, hard links kept, owners, modes, times to the second (as Docker writes them),
/// security.capability and user.* attributes. Symlinks are never followed and nothing outside of `root` is read, even
/// while the tree changes; a file that shrinks meanwhile is filled up with zeros, one that vanishes is left out.
/// Sockets are left out.
void write_tree(sys::FdRef root, TarWriter& tar, const TreeOptions& options = {});

}  // namespace berth::archive
