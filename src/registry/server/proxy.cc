#include "registry/server/proxy.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/post.hpp>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/json/json.h"
#include "base/sys/file.h"
#include "registry/client/repository.h"
#include "registry/client/url.h"
#include "registry/server/errors.h"
#include "registry/server/manifest.h"
#include "registry/server/names.h"
#include "registry/server/referrer_view.h"

namespace berth::registry::server {

namespace {

constexpr unsigned kFetches = 8;           ///< at a time
constexpr std::size_t kMostRemotes = 256;  ///< whose connections and tokens are kept
constexpr std::size_t kPieceBytes = 128 << 10;
constexpr std::uint64_t kHeldBytes = 4 << 10;  ///< of a blob, that nobody gets before its digest is right

/// What the other registry's failure means for our client.
Refusal refusal_of(const Error& error) {
  if (error.kind() == ErrorKind::not_found) return {404, "MANIFEST_UNKNOWN", error.text()};
  return {503, "UNAVAILABLE", cat("the registry behind this one: ", error.text())};
}

/// As the manifests say that are here.
std::optional<std::uint64_t> blob_size_by_manifests(const BlobFiles& files, const Catalog& catalog,
                                                    const std::string& repository, const std::string& digest) {
  for (const std::string& manifest : catalog.manifests_naming(repository, digest)) {
    if (const auto size = described_size(files.read(manifest), digest)) return size;
  }
  return std::nullopt;
}

struct ReferrerList {
  std::vector<ReferrerView> manifests;
  static void describe(auto& self, auto&& field) { field("manifests", self.manifests); }
};

std::vector<Referrer> read_referrers(const std::vector<std::string>& pages) {
  std::vector<Referrer> found;
  for (const std::string& page : pages) {
    for (ReferrerView& entry : json::from_json<ReferrerList>(page).manifests) {
      if (!is_digest(entry.digest)) continue;
      if (!entry.annotations.text.starts_with('{')) entry.annotations.text.clear();
      found.push_back({.media_type = std::move(entry.media_type),
                       .digest = std::move(entry.digest),
                       .artifact_type = std::move(entry.artifact_type),
                       .annotations_json = std::move(entry.annotations.text),
                       .size = entry.size});
    }
  }
  return found;
}

}  // namespace

/// Those who ask for one manifest at the same time wait for one answer.
struct Proxy::Ask {
  Ask(EventLoop& loop, std::string wanted_repository, std::string wanted_reference)
      : repository(std::move(wanted_repository)), reference(std::move(wanted_reference)), ended(loop) {}
  const std::string repository, reference;
  async::Signal ended;
  bool done = false;
  std::exception_ptr error;
};

struct Proxy::Flight {
  Flight(EventLoop& loop, const BlobFiles& files, std::string wanted_repository, std::string wanted_digest,
         std::uint64_t bytes)
      : repository(std::move(wanted_repository)),
        digest(std::move(wanted_digest)),
        size(bytes),
        upload(std::make_shared<BlobFiles::Upload>(files, repository)),
        file(sys::open_file(upload->path(), O_RDONLY)),
        changed(loop) {}
  const std::string repository, digest;
  const std::uint64_t size;
  std::shared_ptr<BlobFiles::Upload> upload;
  const sys::UniqueFd file;  ///< stays readable when the upload gets its name
  async::Signal changed;
  std::uint64_t written = 0;
  bool done = false;
  std::exception_ptr error;
};

Proxy::Proxy(EventLoop& loop, const BlobFiles& files, Catalog& catalog, Rules rules, const Logger& log)
    : loop_(loop),
      files_(files),
      catalog_(catalog),
      rules_(std::move(rules)),
      log_(log),
      pool_(loop, kFetches),
      tasks_(loop) {
  const Url url = parse_url(rules_.remote);
  authority_ = url.authority;
  tasks_.on_error([this](const std::string& name, const std::exception& error) {
    log_.error("registry: ", name, ": ", std::string_view{error.what()});
  });
}

Proxy::~Proxy() = default;

std::shared_ptr<Repository> Proxy::remote(const std::string& repository) {
  std::shared_ptr<Repository>& known = remotes_[repository];
  if (known) return known;
  Policy policy{.insecure = {}, .certificate_folders = {"/etc/berth/certs.d", "/etc/docker/certs.d"}};
  if (rules_.remote.starts_with("http://")) policy.insecure.push_back(authority_);
  const auto made = std::make_shared<Repository>(std::move(policy), authority_, repository, rules_.credentials,
                                                 registry::Access::pull);
  if (remotes_.size() > kMostRemotes) remotes_.clear();  // who uses one keeps it
  remotes_[repository] = made;
  return made;
}

// ---- Manifests ----

Task<void> Proxy::refresh_manifest(std::string repository, std::string reference) {
  if (const auto here = catalog_.find_manifest(repository, reference); here && is_digest(reference)) {
    co_await note_use(repository, *here);
    co_return;
  }
  const std::string key = cat(repository, " ", reference);
  std::shared_ptr<Ask> ask = asks_[key];
  if (!ask) {
    ask = asks_[key] = std::make_shared<Ask>(loop_, repository, reference);
    tasks_.spawn("asking for " + key, ask_for_manifest(ask));
  }
  while (!ask->done) co_await ask->ended.wait();
  if (!ask->error) co_return;
  try {
    std::rethrow_exception(ask->error);
  } catch (const Error& error) {
    const bool gone = error.kind() == ErrorKind::not_found;
    if (!gone && catalog_.find_manifest(repository, reference)) {
      log_.warn("registry: ", authority_, " does not answer, serving what is here of ", key, ": ", error.text());
      co_return;
    }
    throw refusal_of(error);
  }
}

Task<void> Proxy::ask_for_manifest(std::shared_ptr<Ask> ask) {
  try {
    co_await fetch_manifest(ask->repository, ask->reference);
  } catch (...) {
    ask->error = std::current_exception();
  }
  asks_.erase(cat(ask->repository, " ", ask->reference));
  ask->done = true;
  ask->ended.notify_all();
}

Task<void> Proxy::fetch_manifest(std::string repository, std::string reference) {
  const std::shared_ptr<Repository> there = remote(repository);
  const std::string tag = is_digest(reference) ? "" : reference;
  if (!tag.empty()) {
    // HEAD costs no pull of a user's allowance, as Docker Hub counts.
    const auto find = [there, reference] { return there->find_manifest(reference); };
    const std::optional<std::string> digest = co_await pool_.run(find);
    if (digest && is_digest(*digest)) {
      if (const auto here = catalog_.find_manifest(repository, *digest)) {
        co_await catalog_.tag_manifest(repository, tag, *digest);
        co_await note_use(repository, *here);
        co_return;
      }
    }
  }
  const auto get = [there, reference] { return there->get_manifest(reference); };
  ManifestDocument document = co_await pool_.run(get);
  const std::string& expected = tag.empty() ? reference : document.digest;
  NewManifest manifest;
  try {
    manifest = read_manifest(std::move(document.text), document.media_type, archive::algorithm_of(expected));
  } catch (const Refusal& refusal) {
    throw system_error(cat("manifest ", reference, ": ", std::string_view{refusal.what()}));
  }
  if (is_digest(expected) && manifest.digest != expected) {
    throw system_error(cat("manifest ", reference, " has another digest than it should have: ", manifest.digest));
  }
  co_await catalog_.put_manifest(repository, tag, std::move(manifest), Catalog::TagRule::mutable_tags,
                                 Catalog::References::unchecked);
}

/// Once in a tenth of the time after which it would be forgotten.
Task<void> Proxy::note_use(const std::string& repository, const StoredManifest& manifest) {
  if (rules_.expire.count() == 0) co_return;
  const std::int64_t old =
      std::chrono::floor<std::chrono::seconds>(now() - rules_.expire / 10).time_since_epoch().count();
  if (manifest.since < old) co_await catalog_.touch_manifest(repository, manifest.digest);
}

Task<std::vector<std::string>> Proxy::tags(std::string repository) {
  std::optional<Refusal> refusal;
  try {
    const auto list = [there = remote(repository)] { return there->list_tags(); };
    std::vector<std::string> names = co_await pool_.run(list);
    std::erase_if(names, [](const std::string& name) { return !is_tag(name); });
    co_return names;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) throw;
    refusal = error.kind() == ErrorKind::not_found ? name_unknown() : refusal_of(error);
  }
  if (refusal->status() == 404 || !catalog_.has_repository(repository)) throw *refusal;
  co_return catalog_.tags(repository, std::numeric_limits<std::int64_t>::max(), "").names;
}

Task<std::optional<std::vector<Referrer>>> Proxy::referrers(std::string repository, std::string digest) {
  try {
    const auto list = [there = remote(repository), digest] { return read_referrers(there->list_referrers(digest)); };
    co_return co_await pool_.run(list);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) throw;
    log_.warn("registry: ", authority_, " does not list referrers, showing what is here: ", error.text());
  }
  co_return std::nullopt;
}

Task<std::int64_t> Proxy::expire() {
  if (rules_.expire.count() == 0) co_return 0;
  const std::int64_t before =
      std::chrono::floor<std::chrono::seconds>(now() - rules_.expire).time_since_epoch().count();
  co_return co_await catalog_.expire_manifests(before);
}

// ---- Blobs ----

Task<std::shared_ptr<Proxy::Flight>> Proxy::fetch_blob(std::string repository, std::string digest) {
  // A manifest that the other registry gave for this repository names it: that is the right to it.
  const std::optional<std::uint64_t> size = blob_size_by_manifests(files_, catalog_, repository, digest);
  if (!size) throw blob_unknown();
  if (const auto at = flights_.find(digest); at != flights_.end()) co_return at->second;
  if (co_await catalog_.mount_blob(repository, digest, "")) co_return nullptr;
  if (const auto at = flights_.find(digest); at != flights_.end()) co_return at->second;
  auto flight = std::make_shared<Flight>(loop_, files_, repository, digest, *size);
  flights_[digest] = flight;
  tasks_.spawn("fetching " + digest, fly(flight));
  co_return flight;
}

std::uint64_t Proxy::size_of(const Flight& flight) { return flight.size; }

Task<void> Proxy::fly(std::shared_ptr<Flight> flight) {
  const auto fetch = [flight, there = remote(flight->repository), &loop = loop_] {
    const std::unique_ptr<ByteSource> source = there->open_blob(flight->digest, flight->size);
    std::string piece(kPieceBytes, '\0');
    while (const std::size_t got = source->read(piece.data(), piece.size())) {
      flight->upload->append(std::string_view{piece}.substr(0, got));
      boost::asio::post(loop, [flight, written = flight->upload->size()] {
        flight->written = written;
        flight->changed.notify_all();
      });
    }
    if (const std::string digest = flight->upload->seal(archive::algorithm_of(flight->digest));
        digest != flight->digest) {
      throw system_error(cat("blob ", flight->digest, " came with another digest: ", digest));
    }
  };
  bool failed = false;
  try {
    co_await pool_.run(fetch);
    co_await catalog_.add_blob(flight->repository, flight->digest, flight->upload);
  } catch (const Error& error) {
    log_.warn("registry: fetching ", flight->digest, " of ", flight->repository, ": ", error.text());
    flight->error = std::make_exception_ptr(error.kind() == ErrorKind::not_found ? blob_unknown() : refusal_of(error));
    failed = true;
  }
  if (failed) {
    try {
      flight->upload->drop();
    } catch (const Error&) {  // expires
    }
  }
  flights_.erase(flight->digest);
  flight->done = true;
  flight->changed.notify_all();
}

Task<void> Proxy::wait_for_end(std::shared_ptr<Flight> flight) {
  while (!flight->done) co_await flight->changed.wait();
  if (flight->error) std::rethrow_exception(flight->error);
}

Task<void> Proxy::stream(std::shared_ptr<Flight> flight, http::Response head, http::ResponseStream& out) {
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

Task<void> Proxy::close() {
  for (const auto& [name, there] : remotes_) there->interrupt();
  co_await tasks_.close();
}

}  // namespace berth::registry::server
