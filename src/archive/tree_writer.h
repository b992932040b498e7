#pragma once

#include <sys/stat.h>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "archive/tar_writer.h"
#include "archive/unpack.h"
#include "base/sys/fd.h"

namespace berth::archive {

/// Writes what is in folders, one name after the other: hard links kept, owners, modes, times to the second (as Docker
/// writes them), security.capability and user.* attributes. Symlinks are never followed; a file that shrinks meanwhile
/// is filled up with zeros.
class EntryWriter {
 public:
  explicit EntryWriter(TarWriter& tar) : tar_(tar) {}

  /// `name` in `dir`, as `path` in the archive; a folder without what is in it. `seen` is its stat. False, and nothing
  /// written, for what is gone meanwhile or exchanged, and for sockets.
  bool add(int dir, const std::string& name, const std::string& path, const struct stat& seen);
  /// An open folder itself.
  void add_folder(int folder, const std::string& path);

 private:
  bool add_file(int dir, const std::string& name, const struct stat& seen, TarEntry& entry);
  bool add_other(int dir, const std::string& name, const struct stat& seen, TarEntry& entry);

  TarWriter& tar_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;  ///< of files with several names: the first one
  std::string buffer_;
};

struct TreeOptions {
  std::string prefix{};       ///< put in front of every path ("", "dir", "/"); the root itself gets it alone
  bool include_root = false;  ///< an entry for the folder itself ("./" without a prefix)
  Whiteouts whiteouts = Whiteouts::plain;  ///< overlay: overlayfs's whiteouts are written in the ".wh." form
  /// Asked for every path (below the root, before the prefix); false leaves it and all below out. Empty: everything.
  std::function<bool(const std::string&)> include{};
  /// Asked for every folder with its descriptor; false leaves it empty. Empty: all are entered.
  std::function<bool(int, const std::string&)> enter{};
};

/// Writes a folder tree, sorted by name, as EntryWriter does. Nothing outside of `root` is read, even while the tree
/// changes; what vanishes meanwhile, or has a path longer than PATH_MAX, is left out.
void write_tree(sys::FdRef root, TarWriter& tar, const TreeOptions& options = {});

/// The same for layers (topmost first) as overlayfs shows them one over the other: whiteouts and opaque folders take
/// away what is below. `options.whiteouts` is not looked at.
void write_layers(const std::vector<sys::UniqueFd>& layers, TarWriter& tar, const TreeOptions& options = {});

/// A whiteout or an opaque folder, in overlayfs's form.
bool is_whiteout(const struct stat& info);
bool is_opaque(int folder);
/// Names in an open folder without "." and "..", sorted.
std::vector<std::string> sorted_names(int folder);

}  // namespace berth::archive
