#include "registry/server/uploads.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/core/error.h"
#include "base/core/text.h"
#include "registry/server/errors.h"
#include "registry/server/upload_id.h"

namespace berth::registry::server {

namespace {
constexpr std::size_t kFirstBytes = 16 << 10, kMostBytes = 128 << 10;  ///< read at a time
constexpr std::size_t kInlineBytes = 32 << 10;                         ///< so little is written at once
constexpr std::ptrdiff_t kMostResting = 256;                           ///< with a descriptor or two each
}  // namespace

Uploads::Hold::Hold(Uploads& owner, std::string id, std::shared_ptr<BlobFiles::Upload> upload)
    : owner_(owner), id_(std::move(id)), upload_(std::move(upload)) {
  owner_.open_[id_] = {.upload = upload_, .holder = this};
}

Uploads::Hold::~Hold() {
  if (ended_)
    owner_.open_.erase(id_);
  else
    owner_.rest(id_, std::move(upload_));
  owner_.let_go_.notify_all();
}

/// While its body is read.
class Uploads::Hold::Reading {
 public:
  Reading(Hold& hold, http::BodyReader& body) : hold_(hold) {
    hold_.body_ = &body;
    hold_.heard_ = Clock::now();
    ++hold_.owner_.reading_;
  }
  ~Reading() {
    hold_.body_ = nullptr;
    --hold_.owner_.reading_;
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

 private:
  Hold& hold_;
};

/// A client that went away leaves its upload for a day, but not its descriptors.
void Uploads::rest(const std::string& id, std::shared_ptr<BlobFiles::Upload> upload) {
  open_[id] = {.upload = std::move(upload), .turn = ++turn_};
  const auto rests = [](const auto& entry) { return entry.second.rests(); };
  if (std::ranges::count_if(open_, rests) <= kMostResting) return;
  const auto rank = [&](const auto& entry) { return rests(entry) ? entry.second.turn : UINT64_MAX; };
  open_.erase(std::ranges::min_element(open_, {}, rank));
}

Task<std::unique_ptr<Uploads::Hold>> Uploads::start(std::string repository, archive::DigestAlgorithm algorithm) {
  auto upload = std::make_shared<BlobFiles::Upload>(files_, repository, algorithm);
  std::string id = upload->id();
  co_return std::make_unique<Hold>(*this, std::move(id), std::move(upload));
}

Task<std::unique_ptr<Uploads::Hold>> Uploads::take(std::string id, std::string repository) {
  if (!is_upload_id(id, repository)) throw upload_unknown();
  if (const auto known = open_.find(id); known != open_.end() && !known->second.rests()) co_await wait_for_rival(id);
  if (const auto known = open_.find(id); known != open_.end()) {
    co_return std::make_unique<Hold>(*this, id, known->second.upload);
  }
  open_[id] = {};  // nobody else, while it is read
  std::shared_ptr<BlobFiles::Upload> upload;
  try {
    const auto reopen = [this, id, repository] { return std::make_shared<BlobFiles::Upload>(files_, id, repository); };
    upload = co_await pool_.run(reopen);
  } catch (const Error& error) {
    open_.erase(id);
    if (error.kind() == ErrorKind::not_found) throw upload_unknown();
    throw;
  } catch (...) {
    open_.erase(id);
    throw;
  }
  co_return std::make_unique<Hold>(*this, id, std::move(upload));
}

/// Until nobody has the upload any more. A client that vanished without a word would else have it for as long as its
/// connection seems to live. Throws Refusal when it is at work.
Task<void> Uploads::wait_for_rival(std::string id) {
  const Clock::time_point came = Clock::now();
  for (;;) {
    const auto known = open_.find(id);
    if (known == open_.end() || known->second.rests()) co_return;
    Hold* const rival = known->second.holder;
    const Clock::time_point now = Clock::now();
    const bool works = rival == nullptr || rival->body_ == nullptr || rival->heard_ > came;
    if (works || now - came > 2 * patience_.rival) {
      throw Refusal{409, "BLOB_UPLOAD_INVALID", "another request is working on this upload"};
    }
    Clock::duration left = rival->heard_ + patience_.rival - now;
    if (left.count() <= 0) {
      rival->body_->stop();
      left = patience_.rival;
    }
    co_await let_go_.wait_for(left);
  }
}

/// Runs while bodies are read.
Task<void> Uploads::watch() {
  while (reading_ > 0) {
    co_await async::sleep_for(patience_.silence / 4);
    for (const auto& [id, open] : open_) {
      const bool reads = open.holder != nullptr && open.holder->body_ != nullptr;
      if (reads && Clock::now() - open.holder->heard_ > patience_.silence) open.holder->body_->stop();
    }
  }
  watching_ = false;
}

Task<std::uint64_t> Uploads::find_size(std::string id, std::string repository) {
  if (!is_upload_id(id, repository)) throw upload_unknown();
  if (const auto known = open_.find(id); known != open_.end() && known->second.upload) {
    co_return known->second.upload->size();
  }
  const std::unique_ptr<Hold> hold = co_await take(std::move(id), std::move(repository));
  co_return hold->upload()->size();
}

Task<void> Uploads::append(Hold& hold, http::BodyReader& body, std::int64_t most_bytes) {
  const std::shared_ptr<BlobFiles::Upload> upload = hold.upload();
  const Hold::Reading reading{hold, body};
  if (!std::exchange(watching_, true)) tasks_.spawn("watching uploads", watch());
  // One buffer for the whole body, and a large one only for who fills it: a thousand slow clients cost little.
  std::string buffer(kFirstBytes, '\0');
  for (;;) {
    const std::size_t count = co_await body.read_some(buffer.data(), buffer.size());
    if (count == 0) co_return;
    hold.heard_ = Clock::now();
    received_bytes_ += count;
    const std::string_view bytes = std::string_view{buffer}.substr(0, count);
    std::exception_ptr broken;
    try {
      if (most_bytes != 0 && upload->size() + count > static_cast<std::uint64_t>(most_bytes)) {
        throw quota_exceeded(most_bytes);
      }
      if (count <= kInlineBytes) {
        upload->append(bytes);
      } else {
        const auto write = [&] { upload->append(bytes); };
        co_await pool_.run(write);
      }
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) throw;  // the registry stops: it is taken up by the next
      broken = std::current_exception();
    } catch (...) {
      broken = std::current_exception();
    }
    if (broken) {
      co_await drop(hold);
      std::rethrow_exception(broken);
    }
    hold.heard_ = Clock::now();  // the disk may have been what was slow
    if (count == buffer.size()) buffer.resize(kMostBytes);
  }
}

Task<std::string> Uploads::seal(Hold& hold, archive::DigestAlgorithm algorithm) {
  hold.end();
  const auto work = [upload = hold.upload(), algorithm] {
    try {
      return upload->seal(algorithm);
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

Task<void> Uploads::expire(std::int64_t seconds) {
  const auto list = [this, seconds] { return files_.old_uploads(seconds); };
  const std::vector<std::string> old = co_await pool_.run(list);
  for (const std::string& id : old) {
    if (const auto known = open_.find(id); known != open_.end() && !known->second.rests()) continue;
    Hold hold{*this, id, nullptr};  // nobody takes it, while it goes
    hold.end();
    const auto remove = [this, &id] { files_.remove_upload(id); };
    co_await pool_.run(remove);
  }
}

}  // namespace berth::registry::server
