#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/async/async.h"
#include "base/core/error.h"
#include "base/core/log.h"
#include "base/http/handler.h"
#include "registry/client/login.h"
#include "registry/server/blob_files.h"
#include "registry/server/catalog.h"
#include "registry/server/errors.h"

namespace berth::registry {
class Repository;
}

namespace berth::registry::server {

/// A cache of another registry: what is asked for and not here comes from there, goes to whoever asks while it comes,
/// and stays when its digest is right. Those who want the same thing at once share one fetch. A tag is compared with
/// the other registry's at each question; while that one is away, or takes too long, what is here is served. On the
/// loop.
class Proxy {
 public:
  struct Rules {
    std::string remote;  ///< "https://registry-1.docker.io"; "" is no proxy
    Credentials credentials;
    std::chrono::seconds expire{7 * 24 * 3600};  ///< what nobody has asked for in so long is collected; 0: nothing is
  };

  /// Throws invalid for an address that is none.
  Proxy(EventLoop& loop, const BlobFiles& files, Catalog& catalog, Rules rules, const Logger& log);
  ~Proxy();  ///< close() must have ended, or the loop must not run any more

  /// Sees to it that the catalog knows what the other registry has under that tag or digest. Throws Refusal when there
  /// is no such thing, or none here and nobody there to ask.
  Task<void> refresh_manifest(std::string repository, std::string reference);
  /// Tags of the other registry; those that are here while it is away. Throws Refusal.
  Task<std::vector<std::string>> tags(std::string repository);

  /// What refers to a manifest, as the other registry lists it, by digest; null while it is away, or makes no sense.
  Task<std::shared_ptr<const std::vector<Referrer>>> referrers(std::string repository, std::string digest);

  /// A blob on its way here.
  struct Flight;
  /// Starts fetching a blob, or joins who does. Null when it is here meanwhile. Throws Refusal when no manifest of the
  /// repository that is known here names it, or the other registry doesn't have it there.
  Task<std::shared_ptr<Flight>> fetch_blob(std::string repository, std::string digest);
  /// For who wants to know no more. Throws Refusal likewise.
  Task<std::uint64_t> find_size(std::string repository, std::string digest);
  static std::uint64_t size_of(const Flight& flight);
  /// Sends it as it comes. The end waits until the digest was found to be right; without that the connection is cut.
  static Task<void> stream(std::shared_ptr<Flight> flight, http::Response head, http::ResponseStream& out);
  static Task<void> wait_for_end(std::shared_ptr<Flight> flight);  ///< throws Refusal when it failed

  /// Forgets what nobody has asked for in a long time; the collector then frees it.
  Task<std::int64_t> expire();
  Task<void> close();

 private:
  struct Ask;
  class Reader;
  using Question = Task<void> (Proxy::*)(std::shared_ptr<Ask>);
  enum class Fallback { none, here };
  static Refusal refusal_of(const Error& error);  ///< what the other registry's failure means for our client
  std::shared_ptr<Repository> remote(const std::string& repository);
  std::shared_ptr<Ask> ask(std::string_view what, const std::string& repository, const std::string& reference,
                           Question question);
  Task<void> answer(std::string key, std::shared_ptr<Ask> ask, Question question);
  static Task<void> wait_for(std::shared_ptr<Ask> ask, Fallback fallback);
  Task<void> fetch_manifest(std::shared_ptr<Ask> ask);
  Task<void> fetch_tags(std::shared_ptr<Ask> ask);
  Task<void> fetch_referrers(std::shared_ptr<Ask> ask);
  Task<void> find_blob(std::shared_ptr<Ask> ask);
  /// Throws Refusal when the other registry doesn't have the blob in that repository.
  Task<void> require_blob(const std::string& repository, const std::string& digest);
  Task<void> note_use(const std::string& repository, const StoredManifest& manifest);
  std::uint64_t size_by_manifests(const std::string& repository, const std::string& digest) const;
  std::shared_ptr<Flight> flight_of(const std::string& digest) const;
  Task<void> fly(std::shared_ptr<Flight> flight);

  EventLoop& loop_;
  const BlobFiles& files_;
  Catalog& catalog_;
  const Rules rules_;
  const Logger& log_;
  std::string authority_;
  /// Apart, since who fetches may be slow for long, and everybody asks.
  async::BlockingPool questions_, fetches_;
  async::Nursery tasks_;
  std::map<std::string, std::shared_ptr<Repository>> remotes_;  ///< by repository
  std::map<std::string, std::shared_ptr<Ask>> asks_;            ///< by what is asked
  std::map<std::string, std::shared_ptr<Flight>> flights_;      ///< by digest
};

}  // namespace berth::registry::server
