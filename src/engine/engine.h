#pragma once

#include <memory>

#include "base/async/async.h"
#include "base/core/log.h"
#include "engine/containers.h"
#include "engine/images.h"
#include "engine/networks.h"
#include "engine/options.h"
#include "engine/registry.h"
#include "engine/system.h"
#include "engine/volumes.h"

namespace berth::engine {

/// All of the engine, for main(): the state database, the rooms below, and the services over them, made in order.
class Engine {
 public:
  /// Opens the database, the layers, the images and the networks below options.data_root; folders that are missing are
  /// made. Blocks; call it before the loop runs. Throws system, saying what is wrong with which part.
  Engine(EventLoop& loop, const Logger& log, EngineOptions options);
  ~Engine();  ///< after shutdown()
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Takes up what still runs and finishes or undoes what the last daemon left half done. Requests may be served once
  /// this is done; restart policies go on in the background.
  Task<void> start();
  /// Pulls and pushes fail soon from now on: before the API server is closed, which waits for them.
  void stop_transfers();
  /// Takes no new work, lets running operations end, and stops the containers unless `keep_running` (live-restore).
  Task<void> shutdown(bool keep_running);

  /// What dockerd's SIGHUP takes over: labels, registries, proxies, debug, live-restore, shutdown-timeout.
  void reload(const EngineOptions& fresh);

  Containers& containers();
  Images& images();
  System& system();
  Volumes& volumes();
  Networks& networks();
  Registry& registry();
  async::BlockingPool& pool();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::engine
