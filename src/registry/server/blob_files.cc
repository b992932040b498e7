#include "registry/server/blob_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "registry/server/upload_id.h"

namespace berth::registry::server {

namespace {

constexpr std::size_t kWriteBehindBytes = 128 << 10, kReadBytes = 256 << 10;

constexpr archive::DigestAlgorithm kAlgorithms[] = {archive::DigestAlgorithm::sha256, archive::DigestAlgorithm::sha512};

std::string_view hex_of(const std::string& digest) { return std::string_view{digest}.substr(digest.find(':') + 1); }

std::string_view name_of(archive::DigestAlgorithm algorithm) {
  return algorithm == archive::DigestAlgorithm::sha512 ? "sha512" : "sha256";
}

}  // namespace

BlobFiles::BlobFiles(std::string root) : root_(std::move(root)) {
  sys::ensure_private_dir(root_);
  sys::ensure_dir(cat(root_, "/uploads"), 0700);
  for (const archive::DigestAlgorithm algorithm : kAlgorithms) sys::ensure_dir(folder(algorithm), 0700);
}

std::string BlobFiles::folder(archive::DigestAlgorithm algorithm) const {
  return cat(root_, "/blobs/", name_of(algorithm));
}

std::string BlobFiles::path_of(const std::string& digest) const {
  return cat(folder(archive::algorithm_of(digest)), "/", hex_of(digest));
}

BlobFiles::Upload::Upload(const BlobFiles& files, std::string_view repository, archive::DigestAlgorithm algorithm)
    : id_(new_upload_id(repository)),
      path_(cat(files.root_, "/uploads/", id_)),
      file_(sys::open_file(path_, O_WRONLY | O_APPEND | O_CREAT | O_EXCL, 0600)),
      hash_(algorithm) {}

BlobFiles::Upload::Upload(const BlobFiles& files, std::string id, std::string_view repository) : id_(std::move(id)) {
  if (!is_upload_id(id_, repository)) throw not_found(cat("upload ", id_));
  path_ = cat(files.root_, "/uploads/", id_);
  auto file = sys::open_at_if_exists(sys::FdRef::cwd(), path_, O_RDWR | O_APPEND);
  if (!file) throw not_found(cat("upload ", id_));
  file_ = std::move(*file);
  std::string buffer(1 << 20, '\0');
  while (const std::size_t got = sys::read_full(file_, buffer.data(), buffer.size())) {
    hash_.update(std::string_view{buffer}.substr(0, got));
    size_ += got;
  }
}

void BlobFiles::Upload::append(std::string_view bytes) {
  sys::write_all(file_, bytes);
  take(bytes);
}

sys::UniqueFd BlobFiles::Upload::open_writer() const { return sys::open_file(path_, O_WRONLY | O_APPEND); }

void BlobFiles::Upload::absorb(std::uint64_t end) {
  if (!reader_) reader_ = sys::open_file(path_, O_RDONLY);
  std::string buffer(kReadBytes, '\0');
  while (size_ < end) {
    const std::size_t wanted = std::min<std::uint64_t>(buffer.size(), end - size_);
    const ssize_t got =
        sys::retry_on_eintr([&] { return ::pread(reader_.get(), buffer.data(), wanted, static_cast<off_t>(size_)); });
    if (got < 0) throw errno_error("pread", path_);
    if (got == 0) throw invalid("an upload's file is shorter than its writer says");
    take(std::string_view{buffer}.substr(0, static_cast<std::size_t>(got)));
  }
}

/// What is in the file now.
void BlobFiles::Upload::take(std::string_view bytes) {
  // On its way to the disk while more comes, so that fsync at the end has little left to do. Only advice.
  if (bytes.size() >= kWriteBehindBytes) {
    (void)::sync_file_range(file_.get(), static_cast<off64_t>(size_), static_cast<off64_t>(bytes.size()),
                            SYNC_FILE_RANGE_WRITE);
  }
  hash_.update(bytes);
  size_ += bytes.size();
}

std::string BlobFiles::Upload::seal(archive::DigestAlgorithm algorithm) {
  // Whoever was lent the file must not have left more in it than was hashed.
  struct stat info{};
  if (::fstat(file_.get(), &info) != 0) throw errno_error("fstat", path_);
  if (static_cast<std::uint64_t>(info.st_size) != size_)
    throw invalid("an upload's file is longer than its writer says");
  sys::fsync(file_, path_);
  if (algorithm != hash_.algorithm()) {
    hash_ = archive::Digester{algorithm};
    const std::uint64_t end = size_.exchange(0);
    absorb(end);
  }
  reader_.reset();
  file_.reset();
  return hash_.finish();
}

void BlobFiles::Upload::drop() { sys::remove_file(path_); }

void BlobFiles::adopt(const Upload& upload, const std::string& digest) const {
  sys::rename(upload.path(), path_of(digest));
}

void BlobFiles::put(const std::string& digest, std::string_view bytes) const {
  const std::string target = path_of(digest), draft = cat(root_, "/uploads/", new_upload_id("manifest"));
  try {
    const sys::UniqueFd file = sys::open_file(draft, O_WRONLY | O_CREAT | O_EXCL, 0600);
    sys::write_all(file, bytes);
    sys::fsync(file, draft);
    sys::rename(draft, target);
  } catch (...) {
    sys::remove_file(draft);
    throw;
  }
}

std::optional<sys::UniqueFd> BlobFiles::open(const std::string& digest) const {
  return sys::open_at_if_exists(sys::FdRef::cwd(), path_of(digest), O_RDONLY);
}

std::string BlobFiles::read(const std::string& digest) const {
  std::string bytes = sys::read_file(path_of(digest));
  if (archive::digest_of(bytes, archive::algorithm_of(digest)) != digest) {
    throw system_error(cat("blob ", digest, " is damaged on the disk; `berth registry fsck` tells more"));
  }
  return bytes;
}

bool BlobFiles::holds(const std::string& digest, std::string_view bytes) const {
  return has(digest, bytes.size()) && sys::read_file(path_of(digest)) == bytes;
}

bool BlobFiles::has(const std::string& digest, std::uint64_t size) const {
  const auto info = sys::stat_if_exists(path_of(digest));
  return info && static_cast<std::uint64_t>(info->st_size) == size;
}

void BlobFiles::remove(const std::string& digest) const { sys::remove_file(path_of(digest)); }

std::vector<std::string> BlobFiles::list() const {
  std::vector<std::string> digests;
  for (const archive::DigestAlgorithm algorithm : kAlgorithms) {
    for (const std::string& name : sys::list_dir(folder(algorithm))) {
      digests.push_back(cat(name_of(algorithm), ":", name));
    }
  }
  return digests;
}

std::vector<std::string> BlobFiles::list_uploads() const { return sys::list_dir(cat(root_, "/uploads")); }

std::vector<std::string> BlobFiles::old_uploads(std::int64_t seconds) const {
  std::vector<std::string> ids = list_uploads();
  std::erase_if(ids, [&](const std::string& id) {
    const auto info = sys::stat_if_exists(cat(root_, "/uploads/", id));
    return !info || info->st_mtim.tv_sec + seconds >= std::time(nullptr);
  });
  return ids;
}

void BlobFiles::remove_upload(const std::string& id) const { sys::remove_file(cat(root_, "/uploads/", id)); }

}  // namespace berth::registry::server
