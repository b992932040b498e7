#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "engine/container_setup.h"
#include "engine/registry.h"
#include "engine/space_policy.h"
#include "network/network.h"

namespace berth::engine {

/// What the daemon's command line and daemon.json decide about the engine. The folders exist.
struct EngineOptions {
  std::string data_root;                          ///< --data-root: state.db, containers/, content/, overlay2/, volumes/
  std::string exec_root;                          ///< --exec-root: containers/<id>/ of those that run
  std::string shim_path, init_path, logger_path;  ///< berth-shim, berth-init and berth-logger on this host
  std::string storage_driver;                     ///< --storage-driver; "" picks one
  SetupDefaults defaults;
  network::Config network;
  bool live_restore = false;  ///< containers run on when the daemon is stopped
  int shutdown_timeout_seconds = 15;
  std::vector<std::string> labels;                        ///< --label
  std::vector<std::string> dns, dns_options, dns_search;  ///< for containers that ask for nothing else
  std::string host_gateway_ip;                            ///< --host-gateway-ip; "" the default bridge's gateway
  std::vector<std::string> hosts;                         ///< addresses the API listens on, for info's warnings
  bool debug = false, experimental = false;
  std::vector<std::string> insecure_registries, registry_mirrors;
  SpacePolicy space;
  bool keep_layer_blobs = true;  ///< --keep-layer-blobs: image::StoreOptions::keep_blobs
  TransferLimits transfers;      ///< --max-concurrent-downloads, --max-concurrent-uploads
  std::string http_proxy, https_proxy, no_proxy;
  std::chrono::seconds registry_timeout{60};  ///< --registry-timeout: how long a registry may be silent
  int download_attempts = 5;                  ///< --max-download-attempts
};

}  // namespace berth::engine
