#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "archive/compression.h"
#include "archive/tar_reader.h"
#include "base/core/stream.h"
#include "base/sys/fd.h"

namespace berth::archive {

/// How to make a layer's tar again, bit for bit, from its unpacked files: everything that is not file data is kept
/// (a zstd stream, since headers repeat themselves), file data is named by its path below the layer's folder. So a
/// layer lies on the disk once, and `save` and `push` still give the digest it came with.
///
/// A file that a later entry of the same archive replaces is moved aside; moves() says where, and goes into a file of
/// its own because the reader needs it before the first record.
class RecipeWriter : public RawObserver {
 public:
  explicit RecipeWriter(ByteSink& target) : zstd_(target) {}

  void raw(std::string_view bytes) override;
  /// The next `size` bytes of the archive are in the file `path` from `offset` on.
  void file(const std::string& path, std::uint64_t offset, std::uint64_t size);
  /// What was at `path` (a file or a whole folder) is at `kept` from now on.
  void moved(const std::string& path, const std::string& kept);
  void finish();

  std::string moves() const;  ///< encoded; "" when nothing was moved

 private:
  void flush();

  struct Move {
    std::uint64_t files_before = 0;  ///< how many file records came before it
    std::string path, kept;
    static void describe(auto& self, auto&& field) {
      field("files_before", self.files_before);
      field("path", self.path);
      field("kept", self.kept);
    }
  };
  friend class MoveTable;

  ZstdSink zstd_;
  std::string pending_;
  std::uint64_t files_ = 0;
  std::vector<Move> moves_;
};

/// Writes the archive that `recipe` (as RecipeWriter left it) describes. `folder` is the folder that its paths start
/// from. Throws invalid when the recipe is damaged, system when a file is missing or has become shorter; whoever calls
/// compares the digest of what came out.
void rebuild_archive(ByteSource& recipe, std::string_view moves, sys::FdRef folder, ByteSink& target);

}  // namespace berth::archive
