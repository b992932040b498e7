#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/digest.h"
#include "base/core/text.h"
#include "base/sys/fd.h"

namespace berth::registry::server {

/// Content by digest: <root>/blobs/sha256/<64 hex> (or sha512/<128 hex>), and what is on its way: <root>/uploads/<id>.
/// Which of them count is the catalog's business. Blocks; safe from several threads.
class BlobFiles {
 public:
  explicit BlobFiles(std::string root);  ///< makes the folders

  /// A file that grows until it gets its name. Used by one thread at a time.
  class Upload {
   public:
    /// A new one. Its ID is random and fits only `repository`. What comes is hashed meanwhile, by `algorithm`.
    Upload(const BlobFiles& files, std::string_view repository,
           archive::DigestAlgorithm algorithm = archive::DigestAlgorithm::sha256);
    /// One that an earlier process has left: reads it to go on hashing. Throws not_found.
    Upload(const BlobFiles& files, std::string id, std::string_view repository);

    const std::string& id() const { return id_; }
    std::uint64_t size() const { return size_; }
    void append(std::string_view bytes);
    /// Another open file of the same, for somebody else to append to; what he has written counts when it is absorbed.
    sys::UniqueFd open_writer() const;
    void absorb(std::uint64_t end);  ///< up to there; throws invalid when the file is shorter
    /// Everything is on the disk; the digest of all of it. Nothing can be appended any more. Another algorithm than
    /// that of before costs reading all again.
    std::string seal(archive::DigestAlgorithm algorithm);
    const std::string& path() const { return path_; }
    void drop();  ///< the file, too

   private:
    void take(std::string_view bytes);

    std::string id_, path_;
    sys::UniqueFd file_;
    sys::UniqueFd reader_;  ///< once something was absorbed
    archive::Digester hash_;
    std::atomic<std::uint64_t> size_ = 0;  ///< written by who appends, read by who asks
  };

  /// Moves a sealed upload to its place; durable once its folder is synced.
  void adopt(const Upload& upload, const std::string& digest) const;
  void put(const std::string& digest, std::string_view bytes) const;  ///< a whole blob (a manifest); likewise

  /// Of all blobs of an algorithm: with a single one, a whole group of new ones is durable after one sync.
  std::string folder(archive::DigestAlgorithm algorithm) const;
  std::optional<sys::UniqueFd> open(const std::string& digest) const;
  std::string read(const std::string& digest) const;  ///< whole and verified; throws system
  bool holds(const std::string& digest, std::string_view bytes) const;
  bool has(const std::string& digest, std::uint64_t size) const;  ///< a file of that size
  void remove(const std::string& digest) const;                   ///< absence is no error
  std::vector<std::string> list() const;                          ///< digests, for the sweep at the start and fsck
  std::vector<std::string> list_uploads() const;
  /// Those that nobody has touched for so long.
  std::vector<std::string> old_uploads(std::int64_t seconds) const;
  void remove_upload(const std::string& id) const;
  const std::string& root() const { return root_; }

 private:
  std::string path_of(const std::string& digest) const;
  std::string root_;
};

}  // namespace berth::registry::server
