#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/server/router.h"
#include "base/async/async.h"
#include "base/http/server.h"
#include "engine/containers.h"
#include "engine/images.h"
#include "engine/networks.h"
#include "engine/registry.h"
#include "engine/system.h"
#include "engine/volumes.h"

/// The Docker Engine API, v1.24 to v1.51, over the engine's abstract classes.
namespace berth::api {

/// What answers. All must outlive the server.
struct Backends {
  engine::Containers& containers;
  engine::Images& images;
  engine::System& system;
  engine::Volumes& volumes;
  engine::Networks& networks;
  engine::Registry& registry;
};

struct Options {
  std::string product = "Berth";  ///< of the Server header: "Berth/0.1.0 (linux)"
  std::string version = BERTH_VERSION;
  bool experimental = false;
  std::function<void()> on_answered{};  ///< after each request
};

/// Routes and sockets together. Use:
///
///   api::Server server{loop, {containers, images, system, volumes, networks, registry}, {}, logger};
///   server.http().listen_unix("/run/berth.sock", "docker");
///   ...
///   co_await server.http().close();  // requests are cancelled, hijacked connections stay with who took them
class Server {
 public:
  Server(EventLoop& loop, Backends backends, const Options& options, const Logger& logger);
  ~Server();

  http::Server& http();                   ///< listen_unix, listen_tcp, listen_fd, close
  std::vector<RouteInfo> routes() const;  ///< all of Docker's API: what works and what answers 501

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::api
