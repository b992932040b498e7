#include "engine/engine.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/db/database.h"
#include "base/json/json.h"
#include "base/sys/file.h"
#include "engine/containers_service.h"
#include "engine/image_space.h"
#include "engine/images_service.h"
#include "engine/networks_service.h"
#include "engine/registry_service.h"
#include "engine/system_service.h"
#include "engine/system_views.h"
#include "engine/volumes_service.h"
#include "runtime/seccomp/cache.h"

namespace berth::engine {
namespace {

constexpr unsigned kPoolThreads = 8;       // mounts, netlink and unpacking wait for the kernel, not for a processor
constexpr unsigned kTransferThreads = 64;  // made when needed; each waits for one client that sends or reads files

/// With what lies below the data root made or opened.
EngineOptions with_folders(EngineOptions options) {
  sys::ensure_dir(options.data_root + "/containers", 0710);
  sys::ensure_dir(options.exec_root + "/containers", 0700);
  sys::ensure_dir(options.network.state_dir, 0700);
  options.defaults.seccomp_cache = std::make_shared<runtime::seccomp::Cache>(options.data_root + "/seccomp");
  return options;
}

/// What has no row is swept at the start; without the database that would be everything. So its absence beside
/// containers or images is a mistake to be told, never a new beginning. Returns the path of the database.
std::string database_path(const EngineOptions& options) {
  std::string path = options.data_root + "/state.db";
  if (sys::exists(path)) return path;
  for (const char* folder : {"/containers", "/content/blobs/sha256"}) {
    if (sys::list_dir(options.data_root + folder).empty()) continue;
    throw system_error(cat(path, " is missing, but ", options.data_root, folder,
                           " is not empty: restore the database from a backup. To start anew (volumes are kept), move "
                           "containers, content and overlay2 out of ",
                           options.data_root));
  }
  return path;
}

/// The system's answers show the configuration of the moment, while the API holds on to one object.
class ReloadableSystem final : public System {
 public:
  explicit ReloadableSystem(std::unique_ptr<System> first) : current_(std::move(first)) {}
  void replace(std::unique_ptr<System> next) { current_ = std::move(next); }
  SystemInfo info() override { return current_->info(); }
  VersionInfo version() override { return current_->version(); }
  Task<DiskUsage> disk_usage(DiskUsageQuery query) override { return disk_usage_of(current_, query); }
  std::unique_ptr<EventStream> open_events(std::optional<Time> since, std::optional<Time> until,
                                           Filters filters) override {
    return current_->open_events(since, until, std::move(filters));
  }

 private:
  static Task<DiskUsage> disk_usage_of(std::shared_ptr<System> system, DiskUsageQuery query) {
    co_return co_await system->disk_usage(query);  // held until it is done, whatever is reloaded meanwhile
  }
  std::shared_ptr<System> current_;
};

}  // namespace

struct Engine::Impl final : ImageUsers, NetworkUsers {
  Impl(EventLoop& event_loop, const Logger& logger, EngineOptions wanted)
      : loop(event_loop),
        log(logger),
        options(with_folders(std::move(wanted))),
        pool(loop, kPoolThreads),
        transfers(loop, kTransferThreads),
        database(loop, database_path(options)),
        events(loop),
        graph(graph::open_driver(options.data_root, options.storage_driver)),
        images(loop, pool, transfers, *this,
               {.root = options.data_root,
                .driver = graph.get(),
                .database = &database,
                .keep_blobs = options.keep_layer_blobs,
                .find_uses = {},
                .on_event = {}}),
        networks(network::open_networks(options.network, load_network_records(database, log), log)),
        store(database),
        volumes(loop, pool, log, database, events, options.data_root + "/volumes"),
        containers({loop, pool, transfers, log, store, events, images.store(), *graph, *networks, volumes}, options),
        networks_service(*networks, database, pool, *this),
        find_uses(containers.find_image_uses()),
        space(loop, pool, log, images.store(), find_uses, options.data_root, options.space),
        registry(loop, images.store(), registry_policy(options), options.transfers),
        engine_id(load_engine_id(options.data_root)),
        system(make_system()) {
    images.set_find_uses(find_uses);
  }

  std::unique_ptr<System> make_system() {
    SystemOptions shown{.id = engine_id,
                        .data_root = options.data_root,
                        .shim_path = options.shim_path,
                        .init_path = options.init_path,
                        .storage_driver = options.storage_driver,
                        .labels = options.labels,
                        .hosts = options.hosts,
                        .insecure_registries = options.insecure_registries,
                        .registry_mirrors = options.registry_mirrors,
                        .http_proxy = options.http_proxy,
                        .https_proxy = options.https_proxy,
                        .no_proxy = options.no_proxy,
                        .debug = options.debug,
                        .experimental = options.experimental,
                        .live_restore = options.live_restore,
                        .firewall = options.network.firewall,
                        .defaults = options.defaults};
    shown.storage_driver = graph->name();
    SystemParts parts;
    parts.container_counts = [this] { return containers.counts(); };
    parts.image_count = [this] { return static_cast<std::int64_t>(images.store().list().size()); };
    parts.event_readers = [this] { return static_cast<std::int64_t>(events.readers()); };
    parts.open_events = [this](std::optional<Time> since, std::optional<Time> until, Filters filters) {
      check_event_filters(filters);
      return events.open(since, until, std::move(filters));
    };
    parts.containers = [this] { return containers.list({.all = true, .size = true, .filters = {}}); };
    parts.images = [this] { return images.list({.shared_size = true, .filters = {}}); };
    parts.volumes = [this] { return volumes.list_with_usage(); };
    parts.layers_size = [this] { return layers_size(); };
    return engine::make_system(std::move(shown), std::move(parts));
  }

  Task<std::int64_t> layers_size() {
    co_return static_cast<std::int64_t>(co_await pool.run([this] { return images.store().layers_size(); }));
  }

  // ImageUsers
  void image_changed(const std::string& action, const std::string& id, const std::string& name) override {
    events.publish("image", action, id, {{"name", name}});
    space.check_soon();
  }

  // NetworkUsers
  std::vector<Attached> attached() const override {
    std::vector<Attached> all;
    for (const container::Record* record : containers.records()) {
      for (const network::Endpoint& endpoint : containers.endpoints_of(record->id))
        all.push_back({record->name, endpoint});
    }
    return all;
  }
  void network_changed(std::string_view action, const network::NetworkRecord& record) override {
    events.publish("network", std::string{action}, record.id, {{"name", record.name}, {"type", record.driver}});
  }

  EventLoop& loop;
  const Logger& log;
  EngineOptions options;
  async::BlockingPool pool, transfers;
  db::Database database;
  EventLog events;
  std::unique_ptr<graph::Driver> graph;
  ImagesService images;
  std::unique_ptr<network::Networks> networks;
  StateStore store;
  VolumesService volumes;
  ContainersService containers;
  NetworksService networks_service;
  const image::FindUses find_uses;
  ImageSpace space;
  RegistryService registry;
  const std::string engine_id;
  ReloadableSystem system;
};

Engine::Engine(EventLoop& loop, const Logger& log, EngineOptions options)
    : impl_(std::make_unique<Impl>(loop, log, std::move(options))) {}
Engine::~Engine() = default;

Task<void> Engine::start() {
  co_await impl_->containers.reconcile();
  co_await impl_->pool.run([this] { impl_->images.store().collect(); });
  boost::asio::co_spawn(impl_->loop, impl_->space.run(), boost::asio::detached);
  boost::asio::co_spawn(impl_->loop, impl_->registry.tidy(), boost::asio::detached);
}

void Engine::stop_transfers() {
  impl_->registry.interrupt();
  impl_->space.stop();
}

Task<void> Engine::shutdown(bool keep_running) {
  co_await impl_->containers.shutdown(keep_running);
  if (impl_->containers.counts().running > 0) co_return;
  network::Networks& networks = *impl_->networks;
  co_await impl_->pool.run([&] { networks.tear_down(); });
}

void Engine::reload(const EngineOptions& fresh) {
  EngineOptions& options = impl_->options;
  options.labels = fresh.labels;
  options.debug = fresh.debug;
  options.live_restore = fresh.live_restore;
  options.shutdown_timeout_seconds = fresh.shutdown_timeout_seconds;
  options.insecure_registries = fresh.insecure_registries;
  options.transfers = fresh.transfers;
  impl_->registry.set_limits(fresh.transfers);
  options.registry_mirrors = fresh.registry_mirrors;
  options.http_proxy = fresh.http_proxy;
  options.https_proxy = fresh.https_proxy;
  options.no_proxy = fresh.no_proxy;
  impl_->registry.set_policy(registry_policy(options));
  options.defaults.default_runtime = fresh.defaults.default_runtime;
  impl_->system.replace(impl_->make_system());
  impl_->events.publish("daemon", "reload", impl_->engine_id,
                        {{"name", impl_->system.info().name},
                         {"debug", options.debug ? "true" : "false"},
                         {"default-runtime", options.defaults.default_runtime},
                         {"insecure-registries", json::to_json(options.insecure_registries)},
                         {"labels", json::to_json(options.labels)},
                         {"live-restore", options.live_restore ? "true" : "false"},
                         {"registry-mirrors", json::to_json(options.registry_mirrors)},
                         {"shutdown-timeout", cat(options.shutdown_timeout_seconds)}});
}

Containers& Engine::containers() { return impl_->containers; }
Images& Engine::images() { return impl_->images; }
System& Engine::system() { return impl_->system; }
Volumes& Engine::volumes() { return impl_->volumes; }
Networks& Engine::networks() { return impl_->networks_service; }
Registry& Engine::registry() { return impl_->registry; }
async::BlockingPool& Engine::pool() { return impl_->pool; }

}  // namespace berth::engine
