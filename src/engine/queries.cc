// What changes nothing: list, inspect, wait, and the paths that others are told.
#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"
#include "engine/containers_service.h"
#include "graph/changes.h"

namespace berth::engine {

using container::Status;

namespace {

/// POST /containers/{id}/wait. It is opened before the answer begins, so that no end after that is missed.
class ContainerWaiter final : public Waiter {
 public:
  ContainerWaiter(ContainerPtr container, WaitCondition condition)
      : container_(std::move(container)), condition_(condition), exits_(container_->exits) {}

  Task<WaitResult> result() override {
    while (!is_met()) co_await container_->changed.wait();
    if (container_->exits != exits_) co_return container_->last_exit;
    WaitResult result{.status_code = container_->record.state.exit_code, .error = container_->record.state.error};
    // A start that failed is its caller's news. Here an error says that the removal failed; the CLI prints it.
    if (condition_ == WaitCondition::removed) result.error.clear();
    co_return result;
  }

 private:
  bool is_met() const {
    const Container& container = *container_;
    if (container.removed && !container.settling) return true;
    switch (condition_) {
      case WaitCondition::next_exit: return container.exits != exits_;
      case WaitCondition::removed: return false;
      case WaitCondition::not_running:
        return container.exits != exits_ ||
               (!container.running() && !container.settling && container.record.state.status != Status::restarting);
    }
    return true;
  }

  ContainerPtr container_;
  WaitCondition condition_;
  std::uint64_t exits_;  ///< as it was when the client asked
};

}  // namespace

std::string ContainersService::cgroup_path(const Container& container) const {
  const std::string& asked = container.record.host_config.cgroup_parent;
  const std::string parent = cat('/', asked.empty() ? options_.defaults.cgroup_parent : asked, '/', container.id());
  std::string path;
  for (const char c : parent) {
    if (c != '/' || !path.ends_with('/')) path += c;
  }
  return path;
}

Task<std::unique_ptr<Waiter>> ContainersService::open_wait(std::string id, WaitCondition condition) {
  co_return std::make_unique<ContainerWaiter>(registry_.get(id), condition);
}

Task<std::vector<ContainerSummary>> ContainersService::list(ListQuery query) {
  const ContainerFilter filter{query.filters, co_await filter_lookups(query.filters)};
  const bool all = query.all || query.limit > 0 || filter.implies_all();
  std::vector<ContainerPtr> chosen;
  for (ContainerPtr& container : registry_.all()) {
    const bool alive = container->running() || container->record.state.status == Status::restarting;
    if ((all || alive) && filter.matches(container->record, container->endpoints))
      chosen.push_back(std::move(container));
  }
  const auto newer = [](const ContainerPtr& a, const ContainerPtr& b) { return a->record.created > b->record.created; };
  std::ranges::sort(chosen, newer);
  if (query.limit > 0 && chosen.size() > static_cast<std::size_t>(query.limit)) {
    chosen.resize(static_cast<std::size_t>(query.limit));
  }

  std::vector<ContainerSummary> summaries;
  summaries.reserve(chosen.size());
  const Time shown_at = now();
  std::map<std::string, std::string> image_ids;  // what the names mean now
  for (const ContainerPtr& container : chosen) {
    summaries.push_back(make_summary(container->record, container->endpoints, shown_at));
    const auto [known, is_new] = image_ids.try_emplace(container->record.image_name);
    if (is_new && !known->first.empty()) known->second = parts_.images.id_of(known->first);
    if (known->second != container->record.image_id) summaries.back().image = container->record.image_id;
    if (!query.size) continue;
    const Sizes sizes = co_await sizes_of(container);
    summaries.back().size_rw = sizes.written;
    summaries.back().size_root_fs = sizes.whole;
  }
  co_return summaries;
}

Task<ContainersService::Sizes> ContainersService::sizes_of(ContainerPtr container) {
  const std::string id = container->id(), image = container->record.image_id;
  co_return co_await parts_.pool.run([this, id, image, chain_ids = container->record.chain_ids] {
    Sizes sizes;
    try {
      sizes.written = static_cast<std::int64_t>(written_by(id, chain_ids));
      sizes.whole = sizes.written + parts_.images.files_size(image);
    } catch (const Error&) {  // a layer or image that is gone has no size; the list is not to fail for it
    }
    return sizes;
  });
}

std::uint64_t ContainersService::written_by(const std::string& id, const std::vector<std::string>& chain_ids) const {
  const std::uint64_t all = parts_.graph.container_layer_size(id);
  try {
    return all - std::min(all, graph::bytes_of_start(parts_.graph.container_trees(id, chain_ids)));
  } catch (const Error&) {  // a layer of the image is gone; the container's own is still there
    return all;
  }
}

Task<ContainerInspect> ContainersService::inspect(std::string id, bool size) {
  const ContainerPtr container = registry_.get(id);
  const container::Record& record = container->record;
  InspectFacts facts;
  facts.container_dir = container_dir(record.id);
  if (container->running()) facts.netns_path = cat("/proc/", record.state.pid, "/ns/net");
  facts.graph_driver = {.name = parts_.graph.name(), .data = {}};
  try {
    const graph::RootPaths paths = parts_.graph.container_layer(record.id, record.chain_ids);
    if (paths.overlay) {
      facts.graph_driver.data = {
          {"LowerDir", join(paths.lower_dirs, ":")}, {"UpperDir", paths.upper_dir}, {"WorkDir", paths.work_dir}};
    }
  } catch (const Error&) {  // a missing layer stops the start; it must not stop the look at what is wrong
  }
  for (const auto& [exec_id, exec] : container->execs) {
    if (!exec->exit_code) facts.exec_ids.push_back(exec_id);  // those to come too, as dockerd
  }
  facts.log_status = {.dropped = record.state.log_dropped + container->log_dropped,
                      .unsent = container->running() ? container->log_unsent : record.state.log_unsent};
  if (size) {
    const Sizes sizes = co_await sizes_of(container);
    facts.size_rw = sizes.written;
    facts.size_root_fs = sizes.whole;
  }
  co_return make_inspect(record, container->endpoints, facts);
}

}  // namespace berth::engine
