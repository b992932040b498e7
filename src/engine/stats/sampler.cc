#include "engine/stats/sampler.h"

#include <sys/resource.h>

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::engine {

using runtime::cgroups::StatsReader;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kInterval{1000};
/// A sample of a new watcher may have been taken just before the common one: two that close say little of the CPU.
constexpr std::chrono::milliseconds kLeast = kInterval / 2;

/// The first containers' files stay open, of later ones the two hot ones, and then none: clients and containers need
/// the rest.
StatsReader::Kept affordable() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
  const int most = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1 << 20));
  return {.all = most / 2, .hot = most / 4 * 3};
}

std::string text_of(const Container& container, const StatsSample* sample, const StatsSample* before) {
  std::string text = json::to_json(make_stats("/" + container.record.name, container.id(), sample, before));
  text += '\n';
  return text;
}

std::vector<network::Traffic> traffic_of(network::Networks& networks, const std::vector<std::string>& links) {
  if (links.empty()) return {};
  try {
    return networks.traffic(links);
  } catch (const Error&) {  // numbers to look at: the others are worth having without these
    return std::vector<network::Traffic>(links.size());
  }
}

}  // namespace

/// A container that somebody watches.
struct StatsSampler::Watched {
  Watched(EventLoop& loop, ContainerPtr its_container) : container(std::move(its_container)), changed(loop) {}

  ContainerPtr container;
  std::size_t streams = 0;
  std::optional<std::uint64_t> run;  ///< container->starts of the run that the reader reads
  std::optional<StatsReader> reader;
  std::vector<std::string> host_links;
  std::optional<StatsSample> last, before;
  Clock::time_point sampled_at;
  std::uint64_t samples = 0;
  async::Signal changed;  ///< there is a new sample, or none will come
  /// Of the last sample, made for the first stream that asks.
  std::shared_ptr<const std::string> text, text_alone;

  void take(std::optional<StatsSample> sample) {
    before = sample ? std::move(last) : std::nullopt;
    last = std::move(sample);
    sampled_at = Clock::now();
    ++samples;
    text.reset();
    text_alone.reset();
    changed.notify_all();
  }
  std::shared_ptr<const std::string> show(bool alone) {
    std::shared_ptr<const std::string>& made = alone ? text_alone : text;
    if (!made) {
      made = std::make_shared<const std::string>(
          text_of(*container, last ? &*last : nullptr, before && !alone ? &*before : nullptr));
    }
    return made;
  }
};

/// A stream of samples; or with stream=false the first one that can say what the CPU did since the one before.
class SampledStats final : public StatsStream {
 public:
  SampledStats(StatsSampler& sampler, StatsSampler::WatchedPtr watched, bool single)
      : sampler_(sampler), watched_(std::move(watched)), single_(single), seen_(single ? watched_->samples : 0) {}
  ~SampledStats() override { sampler_.unwatch(watched_); }

  Task<std::shared_ptr<const std::string>> next() override {
    const StatsSampler::WatchedPtr watched = watched_;
    for (;;) {
      if (watched->container->removed) co_return nullptr;
      if (watched->samples > seen_) {
        seen_ = watched->samples;
        if (!single_) co_return watched->show(std::exchange(first_, false));
        if (!watched->last || watched->before) co_return watched->show(false);
      }
      co_await watched->changed.wait();
    }
  }

 private:
  StatsSampler& sampler_;
  StatsSampler::WatchedPtr watched_;
  const bool single_;
  bool first_ = true;
  std::uint64_t seen_;
};

/// One answer that needs no sampler.
class SingleStats final : public StatsStream {
 public:
  SingleStats(StatsSampler& sampler, ContainerPtr container) : sampler_(sampler), container_(std::move(container)) {}
  Task<std::shared_ptr<const std::string>> next() override {
    std::string text = co_await sampler_.one_shot(container_);
    co_return std::make_shared<const std::string>(std::move(text));
  }

 private:
  StatsSampler& sampler_;
  ContainerPtr container_;
};

StatsSampler::StatsSampler(EventLoop& loop, async::BlockingPool& pool, async::Nursery& background,
                           network::Networks& networks, Locate locate)
    : loop_(loop),
      pool_(pool),
      background_(background),
      networks_(networks),
      locate_(std::move(locate)),
      tree_(runtime::cgroups::find_tree()),
      came_(loop) {}

StatsSampler::~StatsSampler() = default;

std::unique_ptr<StatsStream> StatsSampler::open(ContainerPtr container, StatsQuery query) {
  if (!query.stream && (query.one_shot || !container->running())) {
    return std::make_unique<SingleStats>(*this, std::move(container));
  }
  return std::make_unique<SampledStats>(*this, watch(container), !query.stream);
}

StatsSampler::WatchedPtr StatsSampler::watch(const ContainerPtr& container) {
  WatchedPtr& watched = watched_[container->id()];
  if (!watched) {
    watched = std::make_shared<Watched>(loop_, container);
    has_new_ = true;
    came_.notify_all();
  }
  ++watched->streams;
  if (!std::exchange(running_, true)) background_.spawn("statistics", run());
  return watched;
}

void StatsSampler::unwatch(const WatchedPtr& watched) {
  if (--watched->streams > 0) return;
  watched_.erase(watched->container->id());
}

Task<void> StatsSampler::run() {
  struct Ended {
    bool& running;
    ~Ended() { running = false; }  // also when it fails: who watches next gets a new one
  } const ended{running_};
  Clock::time_point due = Clock::now();
  while (!watched_.empty()) {
    const bool is_due = Clock::now() >= due;
    if (is_due) due = std::max(due + kInterval, Clock::now());  // late ones are left out, not made up for
    has_new_ = false;
    try {
      co_await sample(!is_due);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) throw;
      // No descriptor left, perhaps: the next second is another try.
    }
    while (!has_new_ && !watched_.empty()) {
      const auto left = due - Clock::now();
      if (left <= left.zero() || !co_await came_.wait_for(left)) break;
    }
  }
}

/// The reader for the run of the moment; none while the container doesn't run.
void StatsSampler::prepare(Watched& watched) {
  const Container& container = *watched.container;
  const std::optional<std::uint64_t> run = container.running() ? std::optional{container.starts} : std::nullopt;
  if (run == watched.run) return;
  watched.run = run;
  watched.reader.reset();
  watched.host_links.clear();
  watched.last.reset();
  if (!run) return;
  StatsSource source = locate_(container);
  watched.reader.emplace(tree_, std::move(source.cgroup_path), affordable());
  watched.host_links = std::move(source.host_links);
}

Task<void> StatsSampler::sample(bool only_new) {
  std::vector<WatchedPtr> chosen;
  std::vector<std::string> links;
  for (const auto& [id, watched] : watched_) {
    if (only_new ? watched->samples > 0 : watched->samples > 0 && Clock::now() - watched->sampled_at < kLeast) continue;
    prepare(*watched);
    links.insert(links.end(), watched->host_links.begin(), watched->host_links.end());
    chosen.push_back(watched);
  }
  std::vector<std::optional<StatsSample>> samples(chosen.size());
  co_await pool_.run([&] {
    const HostUsage host = read_host_usage();
    const std::vector<network::Traffic> traffic = traffic_of(networks_, links);
    auto interfaces = traffic.begin();
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const auto end = interfaces + static_cast<std::ptrdiff_t>(chosen[i]->host_links.size());
      std::optional<runtime::cgroups::Stats> used;
      if (chosen[i]->reader) used = chosen[i]->reader->read();
      if (used)
        samples[i] =
            StatsSample{.read = now(), .host = host, .used = std::move(*used), .interfaces = {interfaces, end}};
      interfaces = end;
    }
  });
  for (std::size_t i = 0; i < chosen.size(); ++i) chosen[i]->take(std::move(samples[i]));
}

Task<std::string> StatsSampler::one_shot(ContainerPtr container) {
  std::optional<StatsSample> sample;
  if (container->running()) {
    const StatsSource source = locate_(*container);
    sample = co_await pool_.run([&]() -> std::optional<StatsSample> {
      StatsReader reader{tree_, source.cgroup_path, {}};
      std::optional<runtime::cgroups::Stats> used = reader.read();
      if (!used) return std::nullopt;
      return StatsSample{.read = now(),
                         .host = read_host_usage(),
                         .used = std::move(*used),
                         .interfaces = traffic_of(networks_, source.host_links)};
    });
  }
  co_return text_of(*container, sample ? &*sample : nullptr, nullptr);
}

}  // namespace berth::engine
