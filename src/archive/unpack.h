#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "archive/recipe.h"
#include "archive/tar_reader.h"
#include "base/sys/fd.h"

namespace berth::archive {

enum class Whiteouts {
  plain,  ///< ".wh." names are files like any other
  /// They become overlayfs's: a 0:0 character device, trusted.overlay.opaque=y. Where the file system refuses these
  /// (overlayfs itself, for the vfs driver): a socket, which no archive can hold, and kOpaqueStandIn.
  overlay,
};

inline constexpr const char* kOpaqueStandIn = "trusted.berth.opaque";

struct UnpackOptions {
  Whiteouts whiteouts = Whiteouts::plain;
  bool ownership = true;                   ///< chown to the archive's numbers (needs root)
  std::uint64_t max_entries = 10'000'000;  ///< throws invalid beyond
  /// With a recipe: an existing folder "kept" beside the root, on the same file system, for what is replaced. Paths in
  /// the recipe start with "diff/" (the root) and "kept/".
  RecipeWriter* recipe = nullptr;
  std::string kept_dir{};

  /// Files get their sizes and all attributes but no data: a tree to compare another one with.
  bool hollow = false;

  // For archives that go into a tree which lives: a container's root, a folder of the user's.
  /// Entries go below this folder of the root, while symlinks mean what they mean from the root itself.
  std::string base{};
  bool refuse_escapes = false;  ///< names and links that lead out of `base` throw, with dockerd's texts
  bool keep_kinds = false;      ///< no folder is replaced by something else, nor the other way round
  bool around_mounts = false;   ///< what is mounted in the tree (by whomever) is never replaced: EBUSY
  std::optional<std::pair<std::uint32_t, std::uint32_t>> owner{};  ///< of everything, instead of the archive's
};

/// Unpacks a tar below one folder. Every path is resolved inside of it (openat2, RESOLVE_IN_ROOT), so "..", absolute
/// names, symlinks and hard links in the archive cannot lead out, even while others change the tree. As dockerd does:
/// ".." stops at the root, missing parents are made with mode 0755, a later entry replaces an earlier one, the entry
/// "." is left alone, trusted.overlay.* attributes are dropped. Times of folders are set at the end.
class Unpacker {
 public:
  Unpacker(const std::string& root, UnpackOptions options);
  Unpacker(sys::UniqueFd root, UnpackOptions options);  ///< an O_PATH descriptor is enough

  /// All entries of the archive, and the archive's origin to its end. Throws invalid (broken archive), system (the
  /// disk is full, …); what was unpacked until then stays, so unpack into a folder that can be dropped.
  void unpack(TarReader& tar);
  void add(const TarEntry& entry, TarReader& tar);  ///< one entry
  void finish();                                    ///< folders' times

  std::uint64_t bytes() const { return bytes_; }  ///< data of all files written
  std::uint64_t entries() const { return entries_; }

 private:
  struct Place {
    int dir;           ///< of the parent, borrowed from the cache
    std::string name;  ///< last component
    std::string path;  ///< below the root, without symlinks
  };

  Place locate(const std::string& clean_path);
  void check_escape(const TarEntry& entry) const;
  void check_kind(const Place& place, bool is_folder, bool was_folder) const;
  std::string shown(const std::string& path) const;
  std::pair<std::uint32_t, std::uint32_t> owner_of(const TarEntry& entry) const;
  bool add_whiteout(const Place& place);
  void add_file(const TarEntry& entry, TarReader& tar, const Place& place);
  void add_directory(const TarEntry& entry, const Place& place);
  void add_hard_link(const TarEntry& entry, const Place& place);
  void add_other(const TarEntry& entry, const Place& place);
  void write_data(const TarEntry& entry, TarReader& tar, sys::FdRef file, const std::string& path);
  void drop_data(TarReader& tar) const;
  /// Takes what is there out of the way. True when it was a whiteout.
  bool replace(const Place& place);
  template <class Make>
  bool make_or_replace(std::string_view call, const Place& place, Make make);

  UnpackOptions options_;
  sys::UniqueFd root_;
  std::string real_root_;
  sys::UniqueFd parent_;
  std::string parent_path_, parent_real_;
  bool parent_valid_ = false;
  std::uint64_t bytes_ = 0, entries_ = 0, kept_ = 0;
  std::vector<std::pair<std::string, TarTime>> directory_times_;
};

/// Go's path.Clean: like clean_path, but a relative path that leads out keeps its leading "..", "" is ".", and an
/// absolute one stays so.
std::string go_clean(std::string_view path);
/// The path without empty and "." components, with ".." taken back but never beyond the root; "" is the root itself.
std::string clean_path(std::string_view path);

}  // namespace berth::archive
