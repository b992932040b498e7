#include "engine/registry_service.h"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "archive/digest.h"
#include "base/async/outcome.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "engine/image_changes.h"
#include "engine/registry_remote.h"
#include "image/documents.h"
#include "image/progress.h"
#include "oci/digest.h"
#include "oci/reference.h"
#include "registry/client/download.h"
#include "registry/client/login.h"

namespace berth::engine {

namespace {

constexpr auto kNever = std::chrono::steady_clock::time_point::max();
constexpr std::chrono::seconds kGrace{1};
constexpr unsigned kMostTransfers = 64, kMostQuestions = 8;  // a thread each, started when needed

/// The reference of a request for `name` with `tag`, which may be a digest. Neither tag nor digest when all are meant.
oci::Reference wanted_reference(std::string name, const std::string& tag) {
  if (name.ends_with(':')) name.pop_back();  // `pull -a` of old clients
  oci::Reference reference = oci::parse_reference(name);
  if (tag.empty()) return reference;
  if (tag.find(':') != std::string::npos) {
    if (!oci::is_digest(tag)) throw invalid("invalid reference format");
    reference.digest = tag;
    reference.tag.clear();
  } else {
    oci::check_tag(tag);
    reference.tag = tag;
    reference.digest.clear();
  }
  return reference;
}

oci::Platform platform_of(const std::string& config_text) {
  const oci::Image image = image::parse_config(config_text);
  return {.architecture = image.architecture, .os = image.os, .os_version = image.os_version, .variant = image.variant};
}

std::string read_all(ByteSource& source, std::size_t limit) {
  std::string text;
  char piece[16 << 10];
  while (const std::size_t got = source.read(piece, sizeof piece)) {
    text.append(piece, got);
    if (text.size() > limit) throw invalid("the registry's document is too long");
  }
  return text;
}

DistributionInspect inspect_remote(RegistryRemote& remote, const oci::Reference& reference) {
  const image::RemoteManifest document =
      remote.get_manifest(reference.digest.empty() ? reference.tag : reference.digest);
  DistributionInspect view;
  view.descriptor = {.media_type = document.media_type,
                     .digest = archive::sha256(document.text),
                     .size = static_cast<std::int64_t>(document.text.size())};
  if (image::is_index(image::type_of(document.text, document.media_type))) {
    for (const oci::Descriptor& manifest : image::parse_index(document.text).manifests) {
      if (manifest.platform) view.platforms.push_back(*manifest.platform);
    }
    return view;
  }
  const oci::Manifest manifest = image::parse_manifest(document.text);
  if (manifest.config.size <= 4 << 20) {
    view.platforms.push_back(platform_of(read_all(*remote.open_blob(manifest.config), 4 << 20)));
  }
  return view;
}

}  // namespace

/// What interrupt() finds for as long as this lives.
class RegistryService::Running {
 public:
  Running(RegistryService& owner, auto& remote, const std::stop_token& gone = {})
      : owner_(owner), gone_(gone, [&remote] { remote.interrupt(); }) {
    const std::lock_guard lock{owner_.mutex_};
    if (owner_.interrupted_) remote.interrupt();
    at_ = owner_.running_.insert(owner_.running_.end(), [&remote] { remote.interrupt(); });
  }
  ~Running() {
    const std::lock_guard lock{owner_.mutex_};
    owner_.running_.erase(at_);
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  RegistryService& owner_;
  std::list<std::function<void()>>::iterator at_;
  std::stop_callback<std::function<void()>> gone_;
};

registry::Policy registry_policy(const EngineOptions& options) {
  registry::Policy policy{.insecure = options.insecure_registries,
                          .certificate_folders = registry::default_certificate_folders(),
                          .mirrors = {},
                          .proxies = {.http = options.http_proxy,
                                      .https = options.https_proxy,
                                      .no_proxy = options.no_proxy,
                                      .certificate_folders = registry::default_certificate_folders()},
                          .neighbours = cat(options.exec_root, "/registries"),
                          .silence = options.registry_timeout,
                          .attempts = options.download_attempts};
  for (const std::string& mirror : options.registry_mirrors) policy.mirrors.push_back(registry::parse_mirror(mirror));
  return policy;
}

RegistryService::RegistryService(EventLoop& loop, image::ImageStore& images, registry::Policy policy,
                                 TransferLimits limits)
    : images_(images),
      transfers_(loop, kMostTransfers),
      questions_(loop, kMostQuestions),
      policy_(std::move(policy)),
      limits_(limits),
      timer_(loop) {}

RegistryService::~RegistryService() = default;

void RegistryService::interrupt() {
  stopped_ = true;
  timer_.cancel();
  const std::lock_guard lock{mutex_};
  interrupted_ = true;
  for (const std::function<void()>& stop : running_) stop();
}

Task<AuthResult> RegistryService::authenticate(AuthConfig credentials) {
  const std::string token = co_await questions_.run([policy = policy_, given = std::move(credentials)] {
    return registry::login(
        policy, given.server_address,
        {.username = given.username, .password = given.password, .identity_token = given.identity_token});
  });
  co_return AuthResult{.identity_token = token, .status = "Login Succeeded"};
}

namespace {

Task<void> stop_when_cancelled(std::stop_source& source) {
  try {
    co_await async::sleep_for(std::chrono::nanoseconds::max());
  } catch (...) {
    source.request_stop();
    throw;
  }
}

}  // namespace

/// A thread that waits for a registry doesn't see that its client has left: it is told.
Task<void> RegistryService::transfer(std::function<void(const Job&)> work, std::shared_ptr<ByteSink> progress,
                                     unsigned concurrency) {
  using namespace boost::asio::experimental::awaitable_operators;
  std::stop_source gone;
  const Job job{.policy = policy_, .concurrency = concurrency, .progress = *progress, .gone = gone.get_token()};
  const auto first = co_await (async::outcome(transfers_.run([&] { work(job); })) || stop_when_cancelled(gone));
  if (const std::exception_ptr& failure = std::get<0>(first)) std::rethrow_exception(failure);
}

Task<void> RegistryService::tidy() {
  while (!stopped_) {
    const bool due = std::exchange(unfinished_, false);
    timer_.expires_at(due ? std::chrono::steady_clock::now() + image::ImageStore::kKeepUnfinished + kGrace : kNever);
    boost::system::error_code woken;
    co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, woken));
    if (woken || stopped_) continue;
    try {
      co_await questions_.run([this] { images_.drop_unfinished(std::chrono::steady_clock::now()); });
    } catch (const Error&) {  // prune, or the next start
    }
  }
}

Task<void> RegistryService::pull(std::shared_ptr<ByteSink> progress, PullQuery query) {
  std::exception_ptr failure = co_await async::outcome(transfer(
      [this, query = std::move(query)](const Job& job) { pull_now(query, job); }, progress, limits_.downloads));
  if (!failure) co_return;
  unfinished_ = true;
  if (timer_.expiry() == kNever) timer_.cancel();
  std::rethrow_exception(failure);
}

void RegistryService::pull_now(const PullQuery& query, const Job& job) {
  const oci::Reference reference = wanted_reference(query.name, query.tag);
  std::vector<std::string> tags{reference.tag};
  if (reference.tag.empty() && reference.digest.empty()) {
    RegistryRemote remote{job.policy, reference, query.credentials, registry::Access::pull};
    const Running running{*this, remote, job.gone};
    tags = remote.list_tags();
    for (const std::string& tag : tags) oci::check_tag(tag);  // it becomes a name, and part of an address
    std::ranges::sort(tags);
  }
  for (const std::string& tag : tags) {
    oci::Reference one = reference;
    one.tag = tag;
    RegistryRemote remote{job.policy, reference, query.credentials, registry::Access::pull};
    const Running running{*this, remote, job.gone};
    images_.pull(remote, {.reference = one, .platform = query.platform, .concurrency = job.concurrency}, job.progress);
  }
}

Task<void> RegistryService::push(std::shared_ptr<ByteSink> progress, PushQuery query) {
  co_await transfer([this, query = std::move(query)](const Job& job) { push_now(query, job); }, progress,
                    limits_.uploads);
}

void RegistryService::push_now(const PushQuery& query, const Job& job) {
  oci::Reference reference = wanted_reference(query.name, query.tag);
  const bool zstd = query.compression == "zstd";
  if (!zstd && !query.compression.empty() && query.compression != "gzip") {
    throw invalid(cat("unknown compression ", quoted(query.compression), ": gzip and zstd are known"));
  }
  const auto compression = zstd ? image::LayerCompression::zstd : image::LayerCompression::gzip;
  if (!reference.digest.empty()) throw invalid("cannot push a digest reference");
  std::vector<oci::Reference> targets{reference};
  if (reference.tag.empty()) {
    targets = images_.tags_in(reference);
    if (targets.empty()) {
      throw not_found(cat("An image does not exist locally with the tag: ", reference.familiar_name()));
    }
  }
  for (const oci::Reference& target : targets) {
    RegistryRemote remote{job.policy, target, query.credentials, registry::Access::push};
    const Running running{*this, remote, job.gone};
    images_.push(remote,
                 {.reference = target,
                  .platform = query.platform,
                  .concurrency = job.concurrency,
                  .all_platforms = query.all_platforms,
                  .compression = compression},
                 job.progress);
  }
}

Task<void> RegistryService::import(std::shared_ptr<ByteSink> progress, std::string address, ImportRequest request) {
  co_await transfer([this, address = std::move(address),
                     request = std::move(request)](const Job& job) { import_now(address, request, job); },
                    progress, 1);
}

void RegistryService::import_now(const std::string& address, ImportRequest request, const Job& job) {
  // Nobody is asked for gigabytes that are then refused for their name.
  if (!request.reference.empty()) oci::parse_reference(request.reference);
  const oci::ContainerConfig config = apply_changes({}, request.changes);
  registry::Download archive{job.policy, address};
  const Running running{*this, archive, job.gone};
  archive.open();
  image::Progress progress{job.progress, false};
  progress.status(cat("Downloading from ", archive.address()));
  image::ProgressSource source{archive, progress, "Importing", "", archive.size(), {}};
  if (request.message.empty()) request.message = cat("Imported from ", archive.address());
  images_.import(source, job.progress, request.reference, request.message, config, request.platform);
}

Task<DistributionInspect> RegistryService::distribution(std::string name, AuthConfig credentials) {
  const oci::Reference reference = oci::parse_reference(name).with_default_tag();
  co_return co_await questions_.run([this, policy = policy_, reference, credentials = std::move(credentials)] {
    RegistryRemote remote{policy, reference, credentials, registry::Access::pull};
    const Running running{*this, remote};
    return inspect_remote(remote, reference);
  });
}

Task<std::vector<SearchResult>> RegistryService::search(SearchQuery query) {
  query.filters.check_names({"is-automated", "is-official", "stars"});
  registry::SearchRequest wanted{.term = std::move(query.term), .limit = query.limit};
  wanted.credentials = {.username = query.credentials.username,
                        .password = query.credentials.password,
                        .identity_token = query.credentials.identity_token};
  if (query.filters.has("is-automated")) wanted.automated = query.filters.get_bool("is-automated", false);
  if (query.filters.has("is-official")) wanted.official = query.filters.get_bool("is-official", false);
  for (const std::string& stars : query.filters.get("stars")) {
    const auto least = parse_number<int>(stars);
    if (!least) throw invalid(cat("invalid filter 'stars=", stars, "'"));
    wanted.least_stars = std::max(wanted.least_stars, *least);
  }
  co_return co_await questions_.run(
      [policy = policy_, wanted = std::move(wanted)] { return registry::search(policy, wanted); });
}

}  // namespace berth::engine
