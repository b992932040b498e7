#include "image/kept_blob.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "archive/chunks.h"
#include "archive/compression.h"
#include "archive/digest.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "oci/digest.h"

namespace berth::image {

namespace {

constexpr std::size_t kPieceBytes = 256 << 10;

std::string blob_path(const std::string& folder) { return cat(folder, "/blob"); }

/// A symlink to nowhere, as `chain` beside it: its text is there whenever its name is. It is made last and removed
/// first.
std::string digest_path(const std::string& folder) { return cat(folder, "/blob-digest"); }

std::optional<std::string> read_digest(const std::string& folder) {
  char text[PATH_MAX];
  const ssize_t length = ::readlink(digest_path(folder).c_str(), text, sizeof text);
  if (length < 0) return std::nullopt;
  std::string digest{text, static_cast<std::size_t>(length)};
  if (!oci::is_digest(digest)) return std::nullopt;
  return digest;
}

}  // namespace

std::optional<KeptBlob> open_kept_blob(const std::string& layer_folder) {
  const auto digest = read_digest(layer_folder);
  if (!digest) return std::nullopt;
  auto file = sys::open_at_if_exists(sys::FdRef::cwd(), blob_path(layer_folder), O_RDONLY);
  if (!file) return std::nullopt;
  struct stat status{};
  if (::fstat(file->get(), &status) != 0) throw errno_error("fstat", blob_path(layer_folder));
  char head[6];
  const std::size_t got = sys::read_full(*file, head, sizeof head);
  const bool is_zstd = archive::detect_compression({head, got}) == archive::Compression::zstd;
  return KeptBlob{.digest = *digest,
                  .size = static_cast<std::uint64_t>(status.st_size),
                  .is_zstd = is_zstd,
                  .file = std::move(*file)};
}

std::uint64_t kept_blob_size(const std::string& layer_folder) {
  if (!read_digest(layer_folder)) return 0;
  const auto status = sys::stat_if_exists(blob_path(layer_folder));
  return status ? static_cast<std::uint64_t>(status->st_size) : 0;
}

DamagedBlob::DamagedBlob(const KeptBlob& blob)
    : Error(ErrorKind::system, cat("the kept blob ", blob.digest, " is damaged on the disk")) {}

void write_kept_blob(const KeptBlob& blob, ByteSink& target) {
  if (::lseek(blob.file.get(), 0, SEEK_SET) < 0) throw errno_error("lseek", blob.digest);
  archive::FdSource origin{blob.file};
  archive::HashingSource hashed{origin};
  std::string piece(kPieceBytes, '\0');
  while (const std::size_t got = hashed.read(piece.data(), piece.size())) target.write({piece.data(), got});
  if (hashed.finish() != blob.digest) throw DamagedBlob{blob};
}

void drop_kept_blob(const std::string& layer_folder) {
  sys::remove_file(digest_path(layer_folder));
  sys::remove_file(blob_path(layer_folder));
}

BlobKeeper::BlobKeeper(ByteSource& origin, const std::string& layer_folder)
    : origin_(origin),
      folder_(layer_folder),
      file_(sys::open_file(blob_path(layer_folder), O_WRONLY | O_CREAT | O_EXCL, 0600)) {}

std::size_t BlobKeeper::read(char* buffer, std::size_t size) {
  const std::size_t got = origin_.read(buffer, size);
  if (!file_) return got;
  try {
    sys::write_all(file_, {buffer, got});
  } catch (const Error& error) {
    if (error.error_number() != ENOSPC && error.error_number() != EDQUOT) throw;
    give_up();
  }
  return got;
}

void BlobKeeper::finish(const std::string& digest) {
  if (!file_) return;
  if (::symlink(digest.c_str(), digest_path(folder_).c_str()) != 0) throw errno_error("symlink", digest_path(folder_));
}

void BlobKeeper::give_up() {
  file_.reset();
  sys::remove_file(blob_path(folder_));
}

}  // namespace berth::image
