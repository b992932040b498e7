// rm, prune and rename
#include <csignal>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "engine/container_setup.h"
#include "engine/containers_service.h"

namespace berth::engine {

using container::Status;

namespace {

/// A moment (RFC 3339, seconds since the epoch), or an age in Go's form: "24h", "1h30m", "90s".
std::optional<Time> parse_until(std::string_view text) {
  if (const std::optional<Time> moment = parse_timestamp(text)) return moment;
  std::chrono::nanoseconds age{0};
  while (!text.empty()) {
    const std::size_t unit = text.find_first_not_of("0123456789");
    if (unit == std::string_view::npos) return std::nullopt;
    const std::optional<std::int64_t> count = parse_number<std::int64_t>(text.substr(0, unit));
    if (!count || *count > 10'000'000) return std::nullopt;
    text.remove_prefix(unit);
    if (text.starts_with("ms")) {
      age += std::chrono::milliseconds{*count};
      text.remove_prefix(2);
      continue;
    }
    switch (text.front()) {
      case 'h': age += std::chrono::hours{*count}; break;
      case 'm': age += std::chrono::minutes{*count}; break;
      case 's': age += std::chrono::seconds{*count}; break;
      default: return std::nullopt;
    }
    text.remove_prefix(1);
  }
  return now() - age;
}

}  // namespace

Task<void> ContainersService::remove(std::string id, RemoveOptions options) {
  if (options.link && id.contains('/')) throw not_implemented("removing links is not implemented by Berth yet");
  ContainerPtr container = registry_.get(id);
  if (options.link) throw system_error("Conflict, cannot remove the default link name of the container");
  if (container->removal_asked) throw conflict(cat("removal of container ", id, " is already in progress"));
  return operation("remove container", remove_now(std::move(container), options));
}

Task<void> ContainersService::remove_now(ContainerPtr container, RemoveOptions options) {
  if (container->removal_asked) {
    throw conflict(cat("removal of container ", container->id(), " is already in progress"));
  }
  if (!container->running()) (void)co_await container->operations.lock();  // a start under way ends first
  const container::State& state = container->record.state;
  if (!options.force && (container->running() || state.status == Status::restarting)) {
    const bool paused = state.status == Status::paused;
    throw conflict(cat(
        "cannot remove container \"/", container->record.name, "\": container is ", container::to_string(state.status),
        paused ? " and must be unpaused first" : ": stop the container before removing or force remove"));
  }
  if (container->removal_asked) {
    throw conflict(cat("removal of container ", container->id(), " is already in progress"));
  }
  container->removal_asked = true;
  bool erased = false;  // by us; a container with --rm goes with its exit, files and all
  std::exception_ptr failure;
  try {
    call_off_restart(*container);
    if (container->running()) co_await kill_now(container, "KILL");
    // Whoever holds the lock sees removal_asked and gives up.
    const async::Mutex::Guard guard = co_await container->operations.lock();
    while (container->settling) co_await container->changed.wait();
    if (!container->removed) {
      co_await erase_row(container, options.volumes);
      erased = true;
    }
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    container->removal_asked = false;
    std::rethrow_exception(failure);
  }
  if (erased) background_.spawn("removing a container's files", remove_files(container));
}

Task<void> ContainersService::erase_row(ContainerPtr container, bool with_volumes) {
  std::vector<std::string> volumes;
  if (with_volumes) volumes = parts_.volumes.own_volumes(container->record);
  parts_.volumes.mark_removing(volumes, true);
  std::exception_ptr failure;
  try {
    co_await parts_.store.erase(container->id(), VolumesService::erase_with(volumes));
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    parts_.volumes.mark_removing(volumes, false);
    container->removal_asked = false;  // a full disk must not make it a container that nobody can remove
    std::rethrow_exception(failure);
  }
  container->removed = true;
  container->pending_attaches.clear();
  for (const auto& [exec_id, exec] : container->execs) container_of_exec_.erase(exec_id);
  registry_.remove(*container);
  drop_image_use(container->id());
  parts_.volumes.drop_reference(container->record);
  parts_.volumes.forget(volumes);
  container->orphaned_volumes = std::move(volumes);
  publish(*container, "destroy");
  container->changed.notify_all();
}

/// What the row's end has made ownerless. If the daemon dies before, the next one sweeps it.
Task<void> ContainersService::remove_files(ContainerPtr container) {
  struct Counted {
    int& count;
    explicit Counted(int& removals) : count(removals) { ++count; }
    ~Counted() { --count; }
  } const counted{removals_};  // a clean shutdown waits for them
  while (container->tearing_down) co_await container->changed.wait();
  co_await end_file_access(container);
  const std::string id = container->id();
  co_await parts_.pool.run([&] {
    parts_.images.note_use(container->record.image_id);
    parts_.graph.remove_container_layer(id);
    sys::remove_tree(container_dir(id));
    if (parts_.images.id_of(container->record.image_id).empty()) parts_.images.collect();
  });
  co_await parts_.volumes.remove_files(container->orphaned_volumes);
}

Task<std::pair<std::vector<std::string>, std::uint64_t>> ContainersService::prune(Filters filters) {
  filters.check_names({"label", "label!", "until"});
  std::optional<Time> until;
  if (filters.get("until").size() > 1) throw invalid("more than one until filter specified");
  for (const std::string& value : filters.get("until")) {
    until = parse_until(value);
    if (!until) throw invalid(cat("failed to parse value as time or duration: ", quoted(value)));
  }
  Filters by_label;
  for (const char* name : {"label", "label!"}) {
    for (const std::string& value : filters.get(name)) by_label.add(name, value);
  }
  const ContainerFilter filter{by_label, co_await filter_lookups(by_label)};
  std::pair<std::vector<std::string>, std::uint64_t> report;
  for (const ContainerPtr& container : registry_.all()) {
    if (container->running() || container->record.state.status == Status::restarting || container->removal_asked ||
        (until && container->record.created >= until->time_since_epoch().count()) ||
        !filter.matches(container->record, container->endpoints)) {
      continue;
    }
    const std::string id = container->id();
    const std::uint64_t size =
        co_await parts_.pool.run([&, chain_ids = container->record.chain_ids] { return written_by(id, chain_ids); });
    try {
      co_await remove(id, {});
    } catch (const Error& error) {
      parts_.log.warn("pruning container ", id, ": ", error.text());
      continue;
    }
    report.first.push_back(id);
    report.second += size;
  }
  parts_.events.publish("container", "prune", "", {{"reclaimed", cat(report.second)}});
  co_return report;
}

Task<void> ContainersService::rename(std::string id, std::string name) {
  return operation("rename container", rename_now(registry_.get(id), std::move(name)));
}

Task<void> ContainersService::rename_now(ContainerPtr container, std::string name) {
  name = trim(name);
  if (name.starts_with('/')) name.erase(0, 1);
  if (name.empty()) throw invalid("Neither old nor new names may be empty");
  const async::Mutex::Guard guard = co_await container->operations.lock();
  const std::string old_name = container->record.name;
  if (name == old_name) throw invalid("Renaming a container with the same name as its current name");
  if (container->removed) throw not_found(cat("No such container: ", container->id()));
  try {
    check_container_name(name);
    registry_.reserve(name, container->id());
  } catch (Error& error) {
    error.during("Error when allocating new name");
    throw;
  }
  container->record.name = name;
  std::exception_ptr failure;
  try {
    co_await parts_.store.update(container->record);
  } catch (...) {
    failure = std::current_exception();
  }
  if (container->removed) {  // by --rm, meanwhile; its registry entry went with the new name
    registry_.release(old_name, container->id());
    co_return;
  }
  if (failure) {
    container->record.name = old_name;
    registry_.release(name, container->id());
    std::rethrow_exception(failure);
  }
  registry_.release(old_name, container->id());
  publish(*container, "rename", {{"oldName", cat('/', old_name)}});
}

}  // namespace berth::engine
