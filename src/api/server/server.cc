#include "api/server/server.h"

#include "api/server/routes.h"
#include "base/core/text.h"

namespace berth::api {

namespace {

std::string common_headers(const Options& options) {
  return cat("Api-Version: ", kNewestVersion.major, ".", kNewestVersion.minor,
             "\r\nDocker-Experimental: ", options.experimental ? "true" : "false",
             "\r\nOstype: linux\r\nServer: ", options.product, "/", options.version, " (linux)\r\n");
}

}  // namespace

struct Server::Impl {
  Impl(EventLoop& loop, Backends backends, const Options& options, const Logger& logger)
      : router(logger),
        http(loop, router, {.common_headers = common_headers(options), .on_answered = options.on_answered}, logger) {
    add_system_routes(router, backends.system, backends.registry);
    add_container_routes(router, backends.containers);
    add_container_stream_routes(router, backends.containers);
    add_container_file_routes(router, backends.containers, loop);
    add_checkpoint_routes(router, backends.containers, options.experimental);
    add_exec_routes(router, backends.containers);
    add_image_routes(router, backends.images, backends.registry, loop);
    add_volume_routes(router, backends.volumes);
    add_network_routes(router, backends.networks);
    add_missing_routes(router);
  }

  Router router;
  http::Server http;
};

Server::Server(EventLoop& loop, Backends backends, const Options& options, const Logger& logger)
    : impl_(std::make_unique<Impl>(loop, backends, options, logger)) {}
Server::~Server() = default;

http::Server& Server::http() { return impl_->http; }
std::vector<RouteInfo> Server::routes() const { return impl_->router.routes(); }

}  // namespace berth::api
