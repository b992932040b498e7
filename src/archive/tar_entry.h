#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace berth::archive {

enum class EntryType { file, hard_link, symlink, char_device, block_device, directory, fifo };

struct TarTime {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  bool operator==(const TarTime&) const = default;
};

/// A piece of a sparse file that holds data.
struct SparsePiece {
  std::uint64_t offset = 0, size = 0;
};

/// One member of a tar archive, with PAX and GNU extensions already applied.
struct TarEntry {
  EntryType type = EntryType::file;
  std::string path;        ///< as written in the archive: may be absolute or hold ".."
  std::string link;        ///< target of a symlink or hard link
  std::uint64_t size = 0;  ///< bytes of data that follow in the archive; 0 for everything but files
  mode_t mode = 0644;      ///< permission bits with setuid, setgid, sticky
  std::uint32_t uid = 0, gid = 0;
  std::string user, group;  ///< names; never looked up
  TarTime mtime;
  std::uint32_t device_major = 0, device_minor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;  ///< full names: "security.capability"
  bool sparse = false;
  std::uint64_t real_size = 0;      ///< of a sparse file, holes included
  std::vector<SparsePiece> pieces;  ///< of a sparse file; their sizes add up to `size`
};

}  // namespace berth::archive
