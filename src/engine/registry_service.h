#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <stop_token>
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
  /// Until interrupt(): gives up what failed pulls have left, when nobody has come back for it.
  Task<void> tidy();
  /// Pulls and pushes under way fail soon, and so do new ones: the daemon is going down.
  void interrupt();

 private:
  class Running;
  /// What a pull, push or import works with. `gone`: the client has left.
  struct Job {
    registry::Policy policy;
    unsigned concurrency;
    ByteSink& progress;
    std::stop_token gone;
  };
  Task<void> transfer(std::function<void(const Job&)> work, std::shared_ptr<ByteSink> progress, unsigned concurrency);
  void pull_now(const PullQuery& query, const Job& job);
  void import_now(const std::string& address, ImportRequest request, const Job& job);
  void push_now(const PushQuery& query, const Job& job);

  image::ImageStore& images_;
  // Their own: registries may keep one waiting, and neither containers nor questions must wait behind transfers.
  async::BlockingPool transfers_, questions_;
  registry::Policy policy_;  ///< of the event loop's thread; requests take it along
  TransferLimits limits_;
  std::mutex mutex_;
  std::list<std::function<void()>> running_;  ///< how to interrupt each
  bool interrupted_ = false;
  bool unfinished_ = false, stopped_ = false;  ///< a pull has failed since tidy() looked; tidy() is to end
  boost::asio::steady_timer timer_;            ///< tidy()'s
};

}  // namespace berth::engine
