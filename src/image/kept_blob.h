#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/core/error.h"
#include "base/core/stream.h"
#include "base/sys/fd.h"

/// A layer's compressed form as it came, kept in the layer's folder beside what it was unpacked to: a push sends it
/// again, so that manifest and index keep their digests, and need no compressing. Only of layers that can't be made
/// again bit for bit. It may go at any time: what is pushed then has another digest.
///
/// In the folder: `blob`, and `blob-digest`, a symlink to nowhere whose text is the digest. The link is made last and
/// removed first; a file without it is what a crash has left.
namespace berth::image {

struct KeptBlob {
  std::string digest;
  std::uint64_t size = 0;  ///< bytes
  bool is_zstd = false;    ///< else gzip
  sys::UniqueFd file;
};

/// Whether the folder says that it holds one.
bool has_kept_blob(const std::string& layer_folder);

/// What the folder of a layer holds; nullopt when that is none. Not verified.
std::optional<KeptBlob> open_kept_blob(const std::string& layer_folder);

std::uint64_t kept_blob_size(const std::string& layer_folder);  ///< bytes; 0 when there is none

/// The same, and half of one is removed: for whoever keeps others from the folder meanwhile.
std::uint64_t settle_kept_blob(const std::string& layer_folder);

/// What comes from the disk is not what its digest says, or does not come.
class DamagedBlob : public Error {
 public:
  explicit DamagedBlob(const KeptBlob& blob);
};

/// All of it, also a second time. Throws DamagedBlob, perhaps only at its end.
void write_kept_blob(const KeptBlob& blob, ByteSink& target);

void drop_kept_blob(const std::string& layer_folder);  ///< absence is no error

/// Moves it between two folders of one layer's content; nothing when `to` has one, or `from` none.
void move_kept_blob(const std::string& from, const std::string& to);

/// Whether a load or pull keeps what it could: for as long as the disk has room for more than what is needed. Safe from
/// several threads.
class BlobKeeping {
 public:
  /// `drop_finished` takes back what was kept until then, when room has become scarce; called once at most, on the
  /// thread of whichever layer has noticed. It must not throw.
  BlobKeeping(bool wanted, std::function<void()> drop_finished);
  bool is_on() const { return on_; }
  /// Looks at the disk that `path` is on, and stops the keeping where it is nearly full.
  bool has_room(const std::string& path);
  void stop();

 private:
  std::atomic<bool> on_;
  const std::function<void()> drop_finished_;
};

/// Passes a blob through and writes it to a layer's folder, as long as it may. That it can't be kept is no failure.
class BlobKeeper : public ByteSource {
 public:
  /// Without `wanted` only the disk is watched, for the sake of other layers.
  BlobKeeper(ByteSource& origin, std::string layer_folder, BlobKeeping& keeping, bool wanted);
  std::size_t read(char* buffer, std::size_t size) override;
  void finish(const std::string& digest);  ///< before, what is there is no kept blob

 private:
  void give_up();

  ByteSource& origin_;
  const std::string folder_;
  BlobKeeping& keeping_;
  sys::UniqueFd file_;  ///< invalid once given up
};

}  // namespace berth::image
