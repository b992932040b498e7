#include "registry/server/uploads.h"

#include "base/core/error.h"
#include "base/core/text.h"
#include "registry/server/errors.h"

namespace berth::registry::server {

namespace {
constexpr std::size_t kFirstBytes = 16 << 10, kMostBytes = 128 << 10;  ///< read at a time
constexpr std::size_t kInlineBytes = 32 << 10;                         ///< so little is written at once

std::string key_of(std::string_view repository, std::string_view id) { return cat(repository, " ", id); }

}  // namespace

Uploads::Hold::Hold(Uploads& owner, std::string key, std::shared_ptr<BlobFiles::Upload> upload)
    : owner_(owner), key_(std::move(key)), upload_(std::move(upload)) {
  owner_.open_[key_] = nullptr;
}

Uploads::Hold::~Hold() {
  if (ended_)
    owner_.open_.erase(key_);
  else
    owner_.open_[key_] = std::move(upload_);
}

Task<std::unique_ptr<Uploads::Hold>> Uploads::start(std::string repository) {
  auto upload = std::make_shared<BlobFiles::Upload>(files_, repository);
  std::string key = key_of(repository, upload->id());
  co_return std::make_unique<Hold>(*this, std::move(key), std::move(upload));
}

Task<std::unique_ptr<Uploads::Hold>> Uploads::take(std::string id, std::string repository) {
  const std::string key = key_of(repository, id);
  const auto known = open_.find(key);
  if (known != open_.end()) {
    if (known->second == nullptr) {
      throw Refusal{409, "BLOB_UPLOAD_INVALID", "another request is working on this upload"};
    }
    co_return std::make_unique<Hold>(*this, key, known->second);
  }
  open_[key] = nullptr;  // nobody else, while it is read
  std::shared_ptr<BlobFiles::Upload> upload;
  try {
    const auto reopen = [this, id, repository] { return std::make_shared<BlobFiles::Upload>(files_, id, repository); };
    upload = co_await pool_.run(reopen);
  } catch (const Error& error) {
    open_.erase(key);
    if (error.kind() == ErrorKind::not_found) throw upload_unknown();
    throw;
  } catch (...) {
    open_.erase(key);
    throw;
  }
  co_return std::make_unique<Hold>(*this, key, std::move(upload));
}

Task<void> Uploads::append(Hold& hold, http::BodyReader& body, std::int64_t most_bytes) {
  const std::shared_ptr<BlobFiles::Upload> upload = hold.upload();
  // One buffer for the whole body, and a large one only for who fills it: a thousand slow clients cost little.
  std::string buffer(kFirstBytes, '\0');
  for (;;) {
    const std::size_t count = co_await body.read_some(buffer.data(), buffer.size());
    if (count == 0) co_return;
    received_bytes_ += count;
    const std::string_view bytes = std::string_view{buffer}.substr(0, count);
    std::exception_ptr broken;
    try {
      if (most_bytes != 0 && upload->size() + count > static_cast<std::uint64_t>(most_bytes)) {
        throw Refusal{403, "DENIED", cat("the repository's quota of ", most_bytes, " bytes is exceeded")};
      }
      if (count <= kInlineBytes) {
        upload->append(bytes);
      } else {
        const auto write = [&] { upload->append(bytes); };
        co_await pool_.run(write);
      }
    } catch (...) {
      broken = std::current_exception();
    }
    if (broken) {
      co_await drop(hold);
      std::rethrow_exception(broken);
    }
    if (count == buffer.size()) buffer.resize(kMostBytes);
  }
}

Task<std::string> Uploads::seal(Hold& hold) {
  hold.end();
  const auto work = [upload = hold.upload()] {
    try {
      return upload->seal();
    } catch (...) {
      upload->drop();
      throw;
    }
  };
  co_return co_await pool_.run(work);
}

Task<void> Uploads::drop(Hold& hold) {
  hold.end();
  const auto work = [upload = hold.upload()] { upload->drop(); };
  co_await pool_.run(work);
}

}  // namespace berth::registry::server
