#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/core/error.h"
#include "base/core/stream.h"
#include "base/sys/fd.h"

/// A layer's compressed form as it came, kept in the layer's folder beside what it was unpacked to: a push sends it
/// again, so that manifest and index keep their digests, and need no compressing. Only of layers that can't be made
/// again bit for bit. It may go at any time: what is pushed then has another digest.
namespace berth::image {

struct KeptBlob {
  std::string digest;
  std::uint64_t size = 0;  ///< bytes
  bool is_zstd = false;    ///< else gzip
  sys::UniqueFd file;
};

/// What the folder of a layer holds; nullopt when that is none. Not verified.
std::optional<KeptBlob> open_kept_blob(const std::string& layer_folder);

/// Bytes of the kept blob; 0 when there is none.
std::uint64_t kept_blob_size(const std::string& layer_folder);

/// What comes from the disk is not what its digest says.
class DamagedBlob : public Error {
 public:
  explicit DamagedBlob(const KeptBlob& blob);
};

/// All of it, also a second time. Throws DamagedBlob, at its end.
void write_kept_blob(const KeptBlob& blob, ByteSink& target);

void drop_kept_blob(const std::string& layer_folder);  ///< absence is no error

/// Passes a blob through and writes it to a layer's folder. A full disk ends only the keeping: the layer may still fit.
class BlobKeeper : public ByteSource {
 public:
  BlobKeeper(ByteSource& origin, const std::string& layer_folder);
  std::size_t read(char* buffer, std::size_t size) override;
  void finish(const std::string& digest);  ///< before, what is there is no kept blob

 private:
  void give_up();

  ByteSource& origin_;
  const std::string folder_;
  sys::UniqueFd file_;  ///< invalid once given up
};

}  // namespace berth::image
