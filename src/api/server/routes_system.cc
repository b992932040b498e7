#include "api/server/answers.h"
#include "api/server/json_body.h"
#include "api/server/routes.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "engine/system_views.h"

namespace berth::api {

namespace {

constexpr std::size_t kAuthLimitBytes = 1 << 20;

class SystemRoutes {
 public:
  SystemRoutes(engine::System& system, engine::Registry& registry) : system_(system), registry_(registry) {}

  Task<http::Response> ping(Request request) {
    http::Response response{.status = 200, .content_type = "text/plain; charset=utf-8", .body = "OK"};
    if (request.method == "HEAD") response.body.clear();
    response.headers = {{"Builder-Version", "1"},  // the classic builder's
                        {"Swarm", "inactive"},
                        {"Cache-Control", "no-cache, no-store, must-revalidate"},
                        {"Pragma", "no-cache"}};
    co_return response;
  }

  Task<http::Response> version(Request) { co_return json_response(system_.version()); }
  Task<http::Response> info(Request) { co_return json_response(system_.info()); }

  Task<http::Response> disk_usage(Request request) {
    engine::DiskUsageQuery query;
    const std::vector<std::string> types = request.query.all("type");
    if (!types.empty()) query = {.containers = false, .images = false, .volumes = false, .build_cache = false};
    for (const std::string& type : types) {
      if (type == "container")
        query.containers = true;
      else if (type == "image")
        query.images = true;
      else if (type == "volume")
        query.volumes = true;
      else if (type == "build-cache")
        query.build_cache = true;
      else
        throw invalid(cat("unknown object type: ", type));
    }
    const engine::DiskUsage usage = co_await system_.disk_usage(query);
    co_return json_response(usage);
  }

  /// There is no builder yet and so no cache: nothing to prune is the truth, and `docker system prune` asks.
  Task<http::Response> prune_builds(Request request) {
    engine::Filters::parse(request.text("filters"));
    co_return http::Response{.status = 200,
                             .content_type = "application/json",
                             .body = R"({"CachesDeleted":null,"SpaceReclaimed":0})"
                                     "\n"};
  }

  Task<void> events(Request request, http::ResponseStream& out) {
    const std::optional<Time> since = request.time("since");
    const std::optional<Time> until = request.time("until");
    if (since && until && *until < *since) {
      throw invalid(
          cat("`since` time (", request.text("since"), ") cannot be after `until` time (", request.text("until"), ")"));
    }
    const std::unique_ptr<engine::EventStream> events =
        system_.open_events(since, until, engine::Filters::parse(request.text("filters")));
    co_await out.begin(200, "application/json");
    co_await out.while_connected(copy_events(*events, out));
  }

  Task<http::Response> auth(Request request) {
    // dockerd looks at no content type here, and has its own word for a missing body.
    const std::string text = co_await request.body->read_all(kAuthLimitBytes);
    if (trim(text).empty()) throw system_error("EOF");
    engine::AuthConfig credentials = decode_body<engine::AuthConfig>(text);
    const engine::AuthResult result = co_await registry_.authenticate(std::move(credentials));
    co_return json_response(result);
  }

 private:
  static Task<void> copy_events(engine::EventStream& events, http::ResponseStream& out) {
    for (;;) {
      std::optional<std::string> event = co_await events.next();
      if (!event) co_return;
      *event += '\n';
      co_await out.write(*event);
    }
  }

  engine::System& system_;
  engine::Registry& registry_;
};

}  // namespace

void add_system_routes(Router& router, engine::System& system, engine::Registry& registry) {
  const auto routes = std::make_shared<SystemRoutes>(system, registry);
  router.add("GET", "/_ping", [routes](Request r) { return routes->ping(std::move(r)); });
  router.add("HEAD", "/_ping", [routes](Request r) { return routes->ping(std::move(r)); });
  router.add("GET", "/version", [routes](Request r) { return routes->version(std::move(r)); });
  router.add("GET", "/info", [routes](Request r) { return routes->info(std::move(r)); });
  router.add("GET", "/system/df", [routes](Request r) { return routes->disk_usage(std::move(r)); });
  router.add("POST", "/build/prune", [routes](Request r) { return routes->prune_builds(std::move(r)); });
  router.add("POST", "/auth", [routes](Request r) { return routes->auth(std::move(r)); });
  router.add_stream("GET", "/events",
                    [routes](Request r, http::ResponseStream& out) { return routes->events(std::move(r), out); });
}

}  // namespace berth::api
