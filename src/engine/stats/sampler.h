#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/async/async.h"
#include "engine/containers.h"
#include "engine/live_container.h"
#include "engine/stats/views.h"
#include "network/network.h"
#include "runtime/cgroups/tree.h"

namespace berth::engine {

/// Where the use of one run of a container is to be read.
struct StatsSource {
  std::string cgroup_path;
  std::vector<std::string> host_links;  ///< of its interfaces, in their order
};

/// Looks at the containers that somebody watches, once a second, for all clients together: one walk on a pool thread
/// through descriptors that stay open, one JSON text for all who watch the same container. With nobody watching it does
/// not exist but for this object. A slow client gets fewer samples, and costs no memory.
class StatsSampler {
 public:
  using Locate = std::function<StatsSource(const Container&)>;

  StatsSampler(EventLoop& loop, async::BlockingPool& pool, async::Nursery& background, network::Networks& networks,
               Locate locate);
  ~StatsSampler();

  /// Must not outlive the sampler. See StatsQuery for what it gives.
  std::unique_ptr<StatsStream> open(ContainerPtr container, StatsQuery query);

 private:
  friend class SampledStats;
  friend class SingleStats;
  struct Watched;
  using WatchedPtr = std::shared_ptr<Watched>;

  WatchedPtr watch(const ContainerPtr& container);
  void unwatch(const WatchedPtr& watched);
  Task<void> run();
  Task<void> sample(bool only_new);
  void prepare(Watched& watched);
  Task<std::string> one_shot(ContainerPtr container);

  EventLoop& loop_;
  async::BlockingPool& pool_;
  async::Nursery& background_;
  network::Networks& networks_;
  const Locate locate_;
  const runtime::cgroups::Tree tree_;
  std::map<std::string, WatchedPtr> watched_;  ///< by container ID
  bool running_ = false, has_new_ = false;
  async::Signal came_;  ///< somebody watches one more container
};

}  // namespace berth::engine
