#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "archive/chunks.h"
#include "archive/tar_entry.h"
#include "base/core/stream.h"

namespace berth::archive {

/// Sees every byte of an archive that is not the data of an entry: headers, PAX records, padding, what follows the
/// end mark. With the entries' data in their places, that is the archive again, bit for bit (see archive/recipe.h).
class RawObserver {
 public:
  virtual ~RawObserver() = default;
  virtual void raw(std::string_view bytes) = 0;
};

/// Reads tar as a stream: v7, ustar, PAX (long paths, big numbers, times, xattrs), GNU (long names, old and new sparse
/// files), base-256 numbers. Checksums are verified. Memory does not grow with the archive: extension records above
/// 1 MiB are refused. Throws invalid with Go's texts: "archive/tar: invalid tar header", "unexpected EOF".
/// Spec: POSIX.1-2008 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
class TarReader {
 public:
  explicit TarReader(ByteSource& origin, RawObserver* observer = nullptr);
  explicit TarReader(ChunkSource& origin, RawObserver* observer = nullptr);

  /// The next entry, or nullopt at the end of the archive. Data of the last entry that was not read is skipped (and
  /// not shown to the observer).
  std::optional<TarEntry> next();
  /// The next piece of the current entry's data, valid until the next call of anything here; empty at its end.
  std::string_view data();
  /// The whole data of the current entry; throws invalid when it is larger than `limit_bytes`.
  std::string read_all(std::size_t limit_bytes);
  /// After the last entry: reads the origin to its end, so that a digest of it is complete.
  void drain();

 private:
  struct Header;
  using Records = std::map<std::string, std::string>;

  std::string_view peek_chunk();  ///< what is left of the chunk, refilled when used up
  void take(std::size_t count);   ///< marks bytes of the chunk as used
  bool read_block(char* block);   ///< 512 bytes, shown to the observer; false at the end of the origin
  void finish_entry();            ///< skips the rest of the data and the padding
  void skip_padding();
  std::string read_extension(std::uint64_t size);
  TarEntry make_entry(const Header& header, const Records& records);
  void read_old_sparse_map(const Header& header, TarEntry& entry);
  void read_pax_sparse_map(const Records& records, TarEntry& entry);
  void check_sparse(TarEntry& entry) const;

  std::unique_ptr<BufferedChunks> own_chunks_;
  ChunkSource& chunks_;
  RawObserver* observer_;
  std::string_view chunk_;
  std::uint64_t data_left_ = 0;
  std::size_t padding_ = 0;
  bool ended_ = false;
};

/// data() of the current entry as a ByteSource (an archive within the archive).
class EntrySource : public ByteSource {
 public:
  explicit EntrySource(TarReader& reader) : reader_(reader) {}
  std::size_t read(char* buffer, std::size_t size) override;

 private:
  TarReader& reader_;
  std::string_view rest_;
};

}  // namespace berth::archive
