#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/async/async.h"
#include "engine/options.h"
#include "engine/registry.h"
#include "image/image_store.h"
#include "registry/client/trust.h"

namespace berth::engine {

registry::Policy registry_policy(const EngineOptions& options);

/// Brings registries and the image store together.
class RegistryService final : public Registry {
 public:
  RegistryService(EventLoop& loop, image::ImageStore& images, registry::Policy policy, TransferLimits limits);
  ~RegistryService() override;

  Task<AuthResult> authenticate(AuthConfig credentials) override;
  Task<void> pull(std::shared_ptr<ByteSink> progress, PullQuery query) override;
  Task<void> push(std::shared_ptr<ByteSink> progress, PushQuery query) override;
  Task<void> import(std::shared_ptr<ByteSink> progress, std::string address, ImportRequest request) override;
  Task<DistributionInspect> distribution(std::string name, AuthConfig credentials) override;
  Task<std::vector<SearchResult>> search(SearchQuery query) override;

  void set_policy(registry::Policy policy) { policy_ = std::move(policy); }
  void set_limits(TransferLimits limits) { limits_ = limits; }
  /// Pulls and pushes under way fail soon, and so do new ones: the daemon is going down.
  void interrupt();

 private:
  class Running;
  void pull_now(const registry::Policy& policy, const PullQuery& query, unsigned concurrency, ByteSink& progress);
  void import_now(const registry::Policy& policy, const std::string& address, ImportRequest request,
                  ByteSink& progress);
  void push_now(const registry::Policy& policy, const PushQuery& query, unsigned concurrency, ByteSink& progress);

  image::ImageStore& images_;
  async::BlockingPool pool_;  // its own: registries may keep one waiting, and containers must not wait behind that
  registry::Policy policy_;   ///< of the event loop's thread; requests take it along
  TransferLimits limits_;
  std::mutex mutex_;
  std::list<std::function<void()>> running_;  ///< how to interrupt each
  bool interrupted_ = false;
};

}  // namespace berth::engine
