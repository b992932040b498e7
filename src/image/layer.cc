#include "image/layer.h"

#include <fcntl.h>
#include <unistd.h>

#include "archive/digest.h"
#include "archive/recipe.h"
#include "archive/unpack.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "graph/tree_compare.h"

namespace berth::image {

namespace {

void unpack(const graph::LayerWriter& staged, archive::ChunkSource& chunks, MadeLayer& layer) {
  const std::string kept = cat(staged.folder(), "/kept");
  sys::make_dir(kept, 0700);
  const sys::UniqueFd file = sys::open_file(cat(staged.folder(), "/recipe"), O_WRONLY | O_CREAT | O_EXCL, 0600);
  archive::FdSink sink{file};
  archive::RecipeWriter recipe{sink};
  archive::TarReader tar{chunks, &recipe};
  archive::Unpacker unpacker{staged.dir(),
                             {.whiteouts = archive::Whiteouts::overlay, .recipe = &recipe, .kept_dir = kept}};
  unpacker.unpack(tar);
  recipe.finish();
  const std::string moves = recipe.moves();
  if (moves.empty())
    ::rmdir(kept.c_str());
  else
    sys::write_file(cat(staged.folder(), "/moves"), moves, 0600);
  layer.size = unpacker.bytes();
}

class TeeSink : public ByteSink {
 public:
  TeeSink(ByteSink& one, ByteSink& other) : one_(one), other_(other) {}
  void write(std::string_view bytes) override {
    one_.write(bytes);
    other_.write(bytes);
  }

 private:
  ByteSink &one_, &other_;
};

}  // namespace

MadeLayer make_layer(graph::Driver& driver, ByteSource& tar, BlobKeeping* keeping) {
  MadeLayer layer;
  layer.staged = driver.begin_layer();
  archive::PeekedSource origin{tar};
  const std::string_view head = origin.peek(archive::GzipSink::kHeadBytes);
  const archive::Compression compression = archive::detect_compression(head);
  const bool plain = compression == archive::Compression::none;
  std::optional<BlobKeeper> keeper;
  if (keeping != nullptr) {
    const bool can_be_made_again = plain || archive::GzipSink::has_made(head);
    keeper.emplace(origin, layer.staged->folder(), *keeping, !can_be_made_again);
  }
  ByteSource& taken = keeper ? static_cast<ByteSource&>(*keeper) : origin;
  archive::HashingSource blob{taken};
  const std::unique_ptr<ByteSource> inflated = archive::decompress(plain ? taken : blob, compression);
  archive::HashingSource diff{*inflated};
  {
    archive::ReadAhead chunks{diff};
    unpack(*layer.staged, chunks, layer);
  }
  layer.tar_size = diff.count();
  layer.diff_id = diff.finish();
  layer.blob_digest = plain ? layer.diff_id : blob.finish();
  if (keeper) keeper->finish(layer.blob_digest);
  return layer;
}

void write_layer(const std::string& layer_folder, const std::string& diff_id, ByteSink& target) {
  const sys::UniqueFd folder = sys::open_file(layer_folder, O_PATH | O_DIRECTORY);
  const sys::UniqueFd file = sys::open_file(cat(layer_folder, "/recipe"), O_RDONLY);
  archive::FdSource recipe{file};
  archive::ParallelHashingSink hashed{target};
  archive::rebuild_archive(recipe, sys::read_file_if_exists(cat(layer_folder, "/moves")).value_or(""), folder, hashed);
  if (hashed.finish() != diff_id) {
    throw system_error(cat("layer ", diff_id, " is damaged on the disk; remove the image and load or pull it again"));
  }
}

std::optional<std::string> find_damage(graph::Driver& driver, const std::string& chain_id, const std::string& diff_id,
                                       ByteSink& seen) {
  const std::string folder = driver.layer_folder(chain_id);
  const auto staged = driver.begin_layer();
  const sys::UniqueFd shape = sys::open_file(staged->dir(), O_RDONLY | O_DIRECTORY);
  archive::WrittenSource made{[&](ByteSink& tar) {
    TeeSink both{tar, seen};
    write_layer(folder, diff_id, both);
  }};
  archive::TarReader tar{made};
  archive::Unpacker unpacker{staged->dir(), {.whiteouts = archive::Whiteouts::overlay, .hollow = true}};
  unpacker.unpack(tar);
  const sys::UniqueFd actual = sys::open_file(cat(folder, "/diff"), O_RDONLY | O_DIRECTORY);
  return graph::find_difference(actual, shape);
}

}  // namespace berth::image
