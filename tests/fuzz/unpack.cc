// Layers: compressed or not, unpacked into a folder with their recipe. Nothing may appear outside of that folder, and
// the recipe must give the tar again, bit for bit.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "archive/compression.h"
#include "archive/recipe.h"
#include "archive/tree_writer.h"
#include "archive/unpack.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "fuzz/fuzz.h"
#include "fuzz/tar_mutator.h"

namespace berth::archive {
namespace {

namespace fs = std::filesystem;

/// outer/secret, outer/layer/diff, outer/layer/kept; on a memory file system where there is one.
class Folder {
 public:
  Folder() {
    const char* base = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    outer_ = cat(base, "/berth-fuzz.", ::getpid());
    fs::remove_all(outer_);
    fs::create_directories(diff());
    fs::create_directories(kept());
    sys::write_file(outer_ + "/secret", "secret", 0600);
  }
  ~Folder() { fs::remove_all(outer_); }
  Folder(const Folder&) = delete;

  const std::string& outer() const { return outer_; }
  std::string layer() const { return outer_ + "/layer"; }
  std::string diff() const { return outer_ + "/layer/diff"; }
  std::string kept() const { return outer_ + "/layer/kept"; }

  void check() const {
    for (const auto& entry : fs::directory_iterator(outer_)) {
      const std::string name = entry.path().filename();
      fuzz::require(name == "secret" || name == "layer", "nothing is made outside of the folder");
    }
    for (const auto& entry : fs::directory_iterator(layer())) {
      const std::string name = entry.path().filename();
      fuzz::require(name == "diff" || name == "kept", "nothing is made beside the folder");
    }
    struct stat info{};
    fuzz::require(::stat((outer_ + "/secret").c_str(), &info) == 0 && info.st_nlink == 1 && info.st_size == 6 &&
                      (info.st_mode & 07777) == 0600,
                  "nothing outside of the folder is touched");
  }

 private:
  std::string outer_;
};

/// The plain tar, in memory; what a few bytes can inflate to is bounded here, as the disk bounds it for the daemon.
std::string inflate(std::string_view bytes) {
  StringSource origin{bytes};
  PeekedSource peeked{origin};
  const std::unique_ptr<ByteSource> plain = decompress(peeked, detect_compression(peeked.peek(6)));
  std::string out, buffer(64 << 10, '\0');
  while (const std::size_t got = plain->read(buffer.data(), buffer.size())) {
    out.append(buffer, 0, got);
    if (out.size() > (1 << 20)) throw invalid("large enough");
  }
  return out;
}

void unpack(const std::string& tar_bytes, const Folder& folder) {
  StringSource source{tar_bytes};
  StringSink recipe_bytes;
  RecipeWriter recipe{recipe_bytes};
  TarReader tar{source, &recipe};
  Unpacker unpacker{
      folder.diff(),
      {.whiteouts = Whiteouts::overlay, .ownership = ::geteuid() == 0, .recipe = &recipe, .kept_dir = folder.kept()}};
  unpacker.unpack(tar);
  recipe.finish();

  StringSource again{recipe_bytes.text};
  StringSink rebuilt;
  const sys::UniqueFd layer = sys::open_file(folder.layer(), O_PATH | O_DIRECTORY);
  rebuild_archive(again, recipe.moves(), layer, rebuilt);
  fuzz::require(rebuilt.text == tar_bytes, "the recipe gives the archive again");
}

/// What lies on the disk can be written as a tar, which can be read.
void write(const Folder& folder) {
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder.diff())) {
    if (entry.is_symlink() || !entry.is_regular_file()) continue;
    bytes += entry.file_size();
    if (bytes > (1 << 20)) return;  // the holes of a sparse file may be huge
  }
  StringSink sink;
  TarWriter writer{sink};
  const sys::UniqueFd diff = sys::open_file(folder.diff(), O_RDONLY | O_DIRECTORY);
  write_tree(diff, writer, {.whiteouts = Whiteouts::overlay});
  writer.finish();
  StringSource source{sink.text};
  TarReader reader{source};
  while (reader.next()) {
  }
}

}  // namespace
}  // namespace berth::archive

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace berth;
  using namespace berth::archive;
  const Folder folder;
  bool done = false;
  fuzz::accepted([&] {
    unpack(inflate({reinterpret_cast<const char*>(data), size}), folder);
    done = true;
  });
  folder.check();
  if (done) write(folder);
  return 0;
}
