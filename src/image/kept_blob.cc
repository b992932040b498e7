#include "image/kept_blob.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "archive/chunks.h"
#include "archive/compression.h"
#include "archive/digest.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "oci/digest.h"

namespace berth::image {

namespace {

constexpr std::size_t kPieceBytes = 256 << 10;
/// Left for everybody else: this share of the disk, but no more than this many bytes.
constexpr std::uint64_t kReserveShare = 10, kMaxReserveBytes = std::uint64_t{4} << 30;

std::string blob_path(const std::string& folder) { return cat(folder, "/blob"); }
std::string digest_path(const std::string& folder) { return cat(folder, "/blob-digest"); }

void make_digest_link(const std::string& digest, const std::string& folder) {
  if (::symlink(digest.c_str(), digest_path(folder).c_str()) != 0) throw errno_error("symlink", digest_path(folder));
}

}  // namespace

bool has_kept_blob(const std::string& layer_folder) { return sys::read_link(digest_path(layer_folder)).has_value(); }

std::optional<KeptBlob> open_kept_blob(const std::string& layer_folder) {
  std::optional<std::string> digest = sys::read_link(digest_path(layer_folder));
  if (!digest || !oci::is_digest(*digest)) return std::nullopt;
  auto file = sys::open_at_if_exists(sys::FdRef::cwd(), blob_path(layer_folder), O_RDONLY);
  if (!file) return std::nullopt;
  struct stat status{};
  if (::fstat(file->get(), &status) != 0) throw errno_error("fstat", blob_path(layer_folder));
  char head[6];
  const ssize_t got = ::pread(file->get(), head, sizeof head, 0);
  const std::string_view first{head, got < 0 ? 0 : static_cast<std::size_t>(got)};
  return KeptBlob{.digest = std::move(*digest),
                  .size = static_cast<std::uint64_t>(status.st_size),
                  .is_zstd = archive::detect_compression(first) == archive::Compression::zstd,
                  .file = std::move(*file)};
}

std::uint64_t kept_blob_size(const std::string& layer_folder) {
  const auto status = sys::stat_if_exists(blob_path(layer_folder));
  return status && has_kept_blob(layer_folder) ? static_cast<std::uint64_t>(status->st_size) : 0;
}

std::uint64_t settle_kept_blob(const std::string& layer_folder) {
  const std::uint64_t size = kept_blob_size(layer_folder);
  if (size == 0) drop_kept_blob(layer_folder);
  return size;
}

DamagedBlob::DamagedBlob(const KeptBlob& blob)
    : Error(ErrorKind::system, cat("the kept blob ", blob.digest, " is damaged on the disk")) {}

void write_kept_blob(const KeptBlob& blob, ByteSink& target) {
  archive::HashingSink hashed{target};
  std::string piece(kPieceBytes, '\0');
  for (std::uint64_t at = 0; at < blob.size;) {
    const ssize_t got = sys::retry_on_eintr(
        [&] { return ::pread(blob.file.get(), piece.data(), piece.size(), static_cast<off_t>(at)); });
    if (got <= 0) throw DamagedBlob{blob};
    hashed.write({piece.data(), static_cast<std::size_t>(got)});
    at += static_cast<std::uint64_t>(got);
  }
  if (hashed.finish() != blob.digest) throw DamagedBlob{blob};
}

void drop_kept_blob(const std::string& layer_folder) {
  sys::remove_file(digest_path(layer_folder));
  sys::remove_file(blob_path(layer_folder));
}

void move_kept_blob(const std::string& from, const std::string& to) {
  const std::optional<std::string> digest = sys::read_link(digest_path(from));
  if (!digest || has_kept_blob(to)) return;
  // The layer is recorded already: its link must not be on the disk before what it stands for.
  const sys::UniqueFd file = sys::open_file(blob_path(from), O_RDONLY);
  sys::fsync(file, blob_path(from));
  sys::remove_file(digest_path(from));
  sys::rename(blob_path(from), blob_path(to));
  make_digest_link(*digest, to);
}

BlobKeeping::BlobKeeping(bool wanted, std::function<void()> drop_finished)
    : on_(wanted), drop_finished_(std::move(drop_finished)) {}

bool BlobKeeping::has_room(const std::string& path) {
  if (!on_) return false;
  const sys::DiskSpace disk = sys::disk_space(path);
  if (disk.available >= std::min(disk.total / kReserveShare, kMaxReserveBytes)) return true;
  stop();
  return false;
}

void BlobKeeping::stop() {
  if (on_.exchange(false)) drop_finished_();
}

BlobKeeper::BlobKeeper(ByteSource& origin, std::string layer_folder, BlobKeeping& keeping, bool wanted)
    : origin_(origin), folder_(std::move(layer_folder)), keeping_(keeping) {
  if (!wanted || !keeping_.has_room(folder_)) return;
  try {
    file_ = sys::open_file(blob_path(folder_), O_WRONLY | O_CREAT | O_EXCL, 0600);
  } catch (const Error&) {
    keeping_.stop();
  }
}

std::size_t BlobKeeper::read(char* buffer, std::size_t size) {
  const std::size_t got = origin_.read(buffer, size);
  const bool has_room = keeping_.has_room(folder_);
  if (!file_) return got;
  if (!has_room) {
    give_up();
    return got;
  }
  try {
    sys::write_all(file_, {buffer, got});
  } catch (const Error&) {
    keeping_.stop();
    give_up();
  }
  return got;
}

void BlobKeeper::finish(const std::string& digest) {
  if (!file_) return;
  if (!keeping_.is_on()) {
    give_up();
    return;
  }
  try {
    make_digest_link(digest, folder_);
  } catch (const Error&) {
    give_up();
  }
}

void BlobKeeper::give_up() {
  file_.reset();
  drop_kept_blob(folder_);
}

}  // namespace berth::image
