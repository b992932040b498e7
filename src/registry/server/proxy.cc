#include "registry/server/proxy.h"

#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/json/json.h"
#include "registry/client/repository.h"
#include "registry/client/url.h"
#include "registry/server/errors.h"
#include "registry/server/manifest.h"
#include "registry/server/names.h"
#include "registry/server/referrer_view.h"

namespace berth::registry::server {

namespace {

constexpr unsigned kQuestions = 16, kFetches = 32;  ///< at a time; threads of their own, which start when needed
constexpr std::size_t kMostRemotes = 256;           ///< whose connections and tokens are kept
constexpr std::ptrdiff_t kMostBraces = 100'000;     ///< in a page of referrers, which has one or two for an entry
constexpr std::chrono::seconds kPatience{5};        ///< with the other registry, where there is something to serve

struct ReferrerList {
  std::vector<ReferrerView> manifests;
  static void describe(auto& self, auto&& field) { field("manifests", self.manifests); }
};

std::vector<Referrer> read_referrers(const std::vector<std::string>& pages) {
  std::vector<Referrer> found;
  for (const std::string& page : pages) {
    // Before there is memory for each of them: four megabytes of "{}," are a million.
    if (std::ranges::count(page, '{') > kMostBraces) throw system_error("a page of referrers has too many entries");
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
  std::ranges::sort(found, {}, &Referrer::digest);
  return found;
}

}  // namespace

/// A question to the other registry: those who have the same wait for one answer. It goes on when nobody waits any
/// more, and what is learned stays.
struct Proxy::Ask {
  Ask(EventLoop& loop, std::string wanted_repository, std::string wanted_reference)
      : repository(std::move(wanted_repository)), reference(std::move(wanted_reference)), ended(loop) {}
  const std::string repository, reference;
  const std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();
  async::Signal ended;
  bool done = false;
  std::exception_ptr error;
  // Answers, as far as they are not in the catalog.
  std::vector<std::string> tags;
  std::vector<Referrer> referrers;
  bool has_blob = false;
};

Proxy::Proxy(EventLoop& loop, const BlobFiles& files, Catalog& catalog, Rules rules, const Logger& log)
    : loop_(loop),
      files_(files),
      catalog_(catalog),
      rules_(std::move(rules)),
      log_(log),
      questions_(loop, kQuestions),
      fetches_(loop, kFetches),
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
  Policy policy{.insecure = {}, .certificate_folders = default_certificate_folders()};
  if (rules_.remote.starts_with("http://")) policy.insecure.push_back(authority_);
  const auto made = std::make_shared<Repository>(std::move(policy), authority_, repository, rules_.credentials,
                                                 registry::Access::pull);
  if (remotes_.size() > kMostRemotes) {  // those in use stay, for close()
    std::erase_if(remotes_, [](const auto& entry) { return entry.second.use_count() <= 1; });
  }
  remotes_[repository] = made;
  return made;
}

Refusal Proxy::refusal_of(const Error& error) {
  if (error.kind() == ErrorKind::not_found) return {404, "MANIFEST_UNKNOWN", error.text()};
  return {503, "UNAVAILABLE", cat("the registry behind this one: ", error.text())};
}

// ---- Questions ----

std::shared_ptr<Proxy::Ask> Proxy::ask(std::string_view what, const std::string& repository,
                                       const std::string& reference, Question question) {
  const std::string key = cat(what, " ", repository, " ", reference);
  if (const auto known = asks_.find(key); known != asks_.end()) return known->second;
  auto ask = std::make_shared<Ask>(loop_, repository, reference);
  asks_[key] = ask;
  tasks_.spawn("asking for " + key, answer(key, ask, question));
  return ask;
}

Task<void> Proxy::answer(std::string key, std::shared_ptr<Ask> ask, Question question) {
  try {
    co_await (this->*question)(ask);
  } catch (...) {
    ask->error = std::current_exception();
  }
  asks_.erase(key);
  ask->done = true;
  ask->ended.notify_all();
}

/// Throws what went wrong, also that it takes too long, where there is something else to show.
Task<void> Proxy::wait_for(std::shared_ptr<Ask> ask, Fallback fallback) {
  while (!ask->done) {
    if (fallback == Fallback::none) {
      co_await ask->ended.wait();
      continue;
    }
    const auto left = ask->since + kPatience - std::chrono::steady_clock::now();
    if (left.count() > 0 && co_await ask->ended.wait_for(left)) continue;
    if (ask->done) break;
    throw Error{ErrorKind::unavailable, cat("no answer for ", kPatience.count(), " s"), ETIMEDOUT};
  }
  if (ask->error) std::rethrow_exception(ask->error);
}

Task<void> Proxy::refresh_manifest(std::string repository, std::string reference) {
  const auto here = catalog_.find_manifest(repository, reference);
  if (here && is_digest(reference)) {
    co_await note_use(repository, *here);
    co_return;
  }
  std::optional<Error> failure;
  try {
    co_await wait_for(ask("manifest", repository, reference, &Proxy::fetch_manifest),
                      here ? Fallback::here : Fallback::none);
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) co_return;
  if (failure->kind() != ErrorKind::not_found && catalog_.find_manifest(repository, reference)) {
    log_.warn("registry: ", authority_, " does not answer, serving what is here of ", repository, " ", reference, ": ",
              failure->text());
    co_return;
  }
  throw refusal_of(*failure);
}

Task<void> Proxy::fetch_manifest(std::shared_ptr<Ask> ask) {
  const std::string &repository = ask->repository, &reference = ask->reference;
  const std::shared_ptr<Repository> there = remote(repository);
  const std::string tag = is_digest(reference) ? "" : reference;
  if (!tag.empty()) {
    // HEAD costs no pull of a user's allowance, as Docker Hub counts.
    const auto find = [there, reference] { return there->find_manifest(reference); };
    const std::optional<std::string> digest = co_await questions_.run(find);
    if (digest && is_digest(*digest)) {
      if (const auto here = catalog_.find_manifest(repository, *digest)) {
        co_await catalog_.tag_manifest(repository, tag, *digest);
        co_await note_use(repository, *here);
        co_return;
      }
    }
  }
  const auto get = [there, reference] { return there->get_manifest(reference); };
  ManifestDocument document = co_await questions_.run(get);
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

Task<void> Proxy::fetch_tags(std::shared_ptr<Ask> ask) {
  const auto list = [there = remote(ask->repository)] { return there->list_tags(); };
  ask->tags = co_await questions_.run(list);
  std::erase_if(ask->tags, [](const std::string& name) { return !is_tag(name); });
}

Task<std::vector<std::string>> Proxy::tags(std::string repository) {
  const bool here = catalog_.has_repository(repository);
  std::optional<Refusal> refusal;
  try {
    const std::shared_ptr<Ask> list = ask("tags", repository, "", &Proxy::fetch_tags);
    co_await wait_for(list, here ? Fallback::here : Fallback::none);
    co_return list->tags;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) throw;
    refusal = error.kind() == ErrorKind::not_found ? name_unknown() : refusal_of(error);
  }
  if (refusal->status() == 404 || !here) throw *refusal;
  co_return catalog_.tags(repository, std::numeric_limits<std::int64_t>::max(), "").names;
}

Task<void> Proxy::fetch_referrers(std::shared_ptr<Ask> ask) {
  const auto list = [there = remote(ask->repository), ask] {
    return read_referrers(there->list_referrers(ask->reference));
  };
  ask->referrers = co_await questions_.run(list);
}

Task<std::shared_ptr<const std::vector<Referrer>>> Proxy::referrers(std::string repository, std::string digest) {
  try {
    const std::shared_ptr<Ask> list = ask("referrers", repository, digest, &Proxy::fetch_referrers);
    co_await wait_for(list, Fallback::here);
    co_return std::shared_ptr<const std::vector<Referrer>>{list, &list->referrers};
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) throw;
    log_.warn("registry: ", authority_, " does not list referrers, showing what is here: ", error.text());
  }
  co_return nullptr;
}

Task<void> Proxy::find_blob(std::shared_ptr<Ask> ask) {
  const auto find = [there = remote(ask->repository), ask] { return there->has_blob(ask->reference); };
  ask->has_blob = co_await questions_.run(find);
}

Task<void> Proxy::require_blob(const std::string& repository, const std::string& digest) {
  std::optional<Refusal> refusal;
  try {
    const std::shared_ptr<Ask> question = ask("blob", repository, digest, &Proxy::find_blob);
    co_await wait_for(question, Fallback::none);
    if (!question->has_blob) refusal = blob_unknown();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) throw;
    refusal = error.kind() == ErrorKind::not_found ? blob_unknown() : refusal_of(error);
  }
  if (refusal) throw *refusal;
}

Task<std::int64_t> Proxy::expire() {
  if (rules_.expire.count() == 0) co_return 0;
  const std::int64_t before =
      std::chrono::floor<std::chrono::seconds>(now() - rules_.expire).time_since_epoch().count();
  co_return co_await catalog_.expire_manifests(before);
}

Task<void> Proxy::close() {
  for (const auto& [name, there] : remotes_) there->interrupt();
  co_await tasks_.close();
}

}  // namespace berth::registry::server
