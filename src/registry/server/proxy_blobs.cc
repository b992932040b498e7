#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <chrono>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "registry/client/repository.h"
#include "registry/server/errors.h"
#include "registry/server/manifest.h"
#include "registry/server/proxy.h"

/// Blobs of the other registry, on their way here.
namespace berth::registry::server {

namespace {

constexpr std::size_t kPieceBytes = 128 << 10;
constexpr std::uint64_t kHeldBytes = 4 << 10;   ///< of a blob, that nobody gets before its digest is right
constexpr std::chrono::seconds kUnreadTime{5};  ///< so long one is fetched on that nobody reads; he may come again

}  // namespace

struct Proxy::Flight {
  Flight(EventLoop& loop, const BlobFiles& files, std::string wanted_repository, std::string wanted_digest,
         std::uint64_t bytes)
      : repository(std::move(wanted_repository)),
        digest(std::move(wanted_digest)),
        size(bytes),
        upload(std::make_shared<BlobFiles::Upload>(files, repository)),
        file(sys::open_file(upload->path(), O_RDONLY)),
        changed(loop) {}

  /// More is here. Where nobody has waited for it in a while, that was enough.
  void advance(std::uint64_t end) {
    written = end;
    changed.notify_all();
    if (readers == 0 && std::chrono::steady_clock::now() - unread_since > kUnreadTime) abandoned = true;
  }

  const std::string repository, digest;
  const std::uint64_t size;
  std::shared_ptr<BlobFiles::Upload> upload;
  const sys::UniqueFd file;  ///< stays readable when the upload gets its name
  async::Signal changed;
  std::uint64_t written = 0;
  bool done = false;
  std::exception_ptr error;
  int readers = 0;
  std::chrono::steady_clock::time_point unread_since = std::chrono::steady_clock::now();
  std::atomic<bool> abandoned = false;  ///< told to the thread that fetches; nobody joins it any more
};

/// Somebody who waits for a flight.
class Proxy::Reader {
 public:
  explicit Reader(Flight& flight) : flight_(flight) { ++flight_.readers; }
  ~Reader() {
    if (--flight_.readers == 0) flight_.unread_since = std::chrono::steady_clock::now();
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

 private:
  Flight& flight_;
};

std::uint64_t Proxy::size_by_manifests(const std::string& repository, const std::string& digest) const {
  for (const std::string& manifest : catalog_.manifests_naming(repository, digest)) {
    if (const auto size = described_size(files_.read(manifest), digest)) return *size;
  }
  throw blob_unknown();
}

std::shared_ptr<Proxy::Flight> Proxy::flight_of(const std::string& digest) const {
  const auto at = flights_.find(digest);
  return at == flights_.end() || at->second->abandoned ? nullptr : at->second;
}

Task<std::uint64_t> Proxy::find_size(std::string repository, std::string digest) {
  const std::uint64_t size = size_by_manifests(repository, digest);
  co_await require_blob(repository, digest);
  co_return size;
}

Task<std::shared_ptr<Proxy::Flight>> Proxy::fetch_blob(std::string repository, std::string digest) {
  const std::uint64_t size = size_by_manifests(repository, digest);
  std::shared_ptr<Flight> flight = flight_of(digest);
  if (flight && flight->repository == repository) co_return flight;
  if (flight || catalog_.has_blob(digest)) {
    // Here, or on its way, for others. Anybody's manifest can name a blob; whose it is, the other registry knows.
    co_await require_blob(repository, digest);
    if (co_await catalog_.mount_blob(repository, digest, "")) co_return nullptr;
    // Its size is the word of a manifest, too: with another one than ours it may be wrong, and fail.
    if ((flight = flight_of(digest)) && flight->size == size) co_return flight;
  }
  flight = std::make_shared<Flight>(loop_, files_, repository, digest, size);
  flights_[digest] = flight;
  tasks_.spawn("fetching " + digest, fly(flight));
  co_return flight;
}

std::uint64_t Proxy::size_of(const Flight& flight) { return flight.size; }

Task<void> Proxy::fly(std::shared_ptr<Flight> flight) {
  const auto fetch = [flight, &loop = loop_](Repository& there) {
    const std::unique_ptr<ByteSource> source = there.open_blob(flight->digest, flight->size);
    std::string piece(kPieceBytes, '\0');
    while (const std::size_t got = source->read(piece.data(), piece.size())) {
      if (flight->abandoned) throw Error{ErrorKind::cancelled, "nobody waits for it any more"};
      flight->upload->append(std::string_view{piece}.substr(0, got));
      boost::asio::post(loop, [flight, written = flight->upload->size()] { flight->advance(written); });
    }
    if (const std::string digest = flight->upload->seal(archive::algorithm_of(flight->digest));
        digest != flight->digest) {
      throw system_error(cat("blob ", flight->digest, " came with another digest: ", digest));
    }
  };
  bool failed = false;
  try {
    const std::shared_ptr<Repository> there = remote(flight->repository);
    co_await fetches_.run([&] { fetch(*there); });
    co_await catalog_.add_blob(flight->repository, flight->digest, flight->upload);
  } catch (const Error& error) {
    log_.warn("registry: fetching ", flight->digest, " of ", flight->repository, ": ", error.text());
    flight->error = std::make_exception_ptr(error.kind() == ErrorKind::not_found ? blob_unknown() : refusal_of(error));
    failed = true;
  } catch (...) {  // no memory, no thread: whoever waits must hear of that, too
    flight->error = std::current_exception();
    failed = true;
  }
  if (failed) {
    try {
      flight->upload->drop();
    } catch (const Error&) {  // expires
    }
  }
  if (const auto at = flights_.find(flight->digest); at != flights_.end() && at->second == flight) flights_.erase(at);
  flight->done = true;
  flight->changed.notify_all();
}

Task<void> Proxy::wait_for_end(std::shared_ptr<Flight> flight) {
  const Reader reader{*flight};
  while (!flight->done) co_await flight->changed.wait();
  if (flight->error) std::rethrow_exception(flight->error);
}

Task<void> Proxy::stream(std::shared_ptr<Flight> flight, http::Response head, http::ResponseStream& out) {
  const Reader reader{*flight};
  // With its first bytes there is no way back to an honest status.
  while (!flight->done && flight->written == 0) co_await flight->changed.wait();
  if (flight->error) std::rethrow_exception(flight->error);
  co_await out.begin_sized(std::move(head), flight->size);
  const std::uint64_t held = std::min(flight->size, kHeldBytes);
  std::string piece(kPieceBytes, '\0');
  for (std::uint64_t sent = 0; sent < flight->size;) {
    if (flight->error) throw system_error("the blob could not be fetched to its end");
    const std::uint64_t ready = flight->done ? flight->size : std::min(flight->written, flight->size - held);
    if (ready <= sent) {
      co_await flight->changed.wait();
      continue;
    }
    const ssize_t got = sys::retry_on_eintr([&] {
      return ::pread(flight->file.get(), piece.data(), std::min<std::uint64_t>(ready - sent, piece.size()),
                     static_cast<off_t>(sent));
    });
    if (got <= 0) throw system_error("the blob's file is shorter than it was");
    co_await out.write(std::string_view{piece}.substr(0, static_cast<std::size_t>(got)));
    sent += static_cast<std::uint64_t>(got);
  }
}

}  // namespace berth::registry::server
