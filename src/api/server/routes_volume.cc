#include "api/server/answers.h"
#include "api/server/json_body.h"
#include "api/server/routes.h"

namespace berth::api {

namespace {

struct VolumeList {
  std::vector<engine::VolumeView> volumes;
  std::vector<std::string> warnings;
  static void describe(auto& self, auto&& field) {
    field("Volumes", self.volumes);
    field("Warnings", self.warnings, json::null_if_empty);
  }
};

struct VolumesPruned {
  std::vector<std::string> volumes_deleted;
  std::uint64_t space_reclaimed = 0;
  static void describe(auto& self, auto&& field) {
    field("VolumesDeleted", self.volumes_deleted, json::null_if_empty);
    field("SpaceReclaimed", self.space_reclaimed);
  }
};

class VolumeRoutes {
 public:
  explicit VolumeRoutes(engine::Volumes& volumes) : volumes_(volumes) {}

  Task<http::Response> list(Request request) {
    VolumeList answer;
    answer.volumes = co_await volumes_.list(engine::Filters::parse(request.text("filters")));
    co_return json_response(answer);
  }
  Task<http::Response> create(Request request) {
    engine::VolumeCreateRequest wanted = co_await read_json<engine::VolumeCreateRequest>(request);
    const engine::VolumeView volume = co_await volumes_.create(std::move(wanted));
    co_return json_response(volume, 201);
  }
  Task<http::Response> inspect(Request request) {
    const engine::VolumeView volume = co_await volumes_.inspect(request.param("name"));
    co_return json_response(volume);
  }
  Task<http::Response> remove(Request request) {
    co_await volumes_.remove(request.param("name"), request.flag("force"));
    co_return http::Response::empty(204);
  }
  Task<http::Response> prune(Request request) {
    engine::Filters filters = engine::Filters::parse(request.text("filters"));
    // Since 1.42 only anonymous volumes go unless all=true; older clients mean all of them.
    if (request.version < Version{1, 42} && !filters.has("all")) filters.add("all", "true");
    auto pruned = co_await volumes_.prune(std::move(filters));
    const VolumesPruned answer{std::move(pruned.first), pruned.second};
    co_return json_response(answer);
  }

 private:
  engine::Volumes& volumes_;
};

}  // namespace

void add_volume_routes(Router& router, engine::Volumes& volumes) {
  const auto routes = std::make_shared<VolumeRoutes>(volumes);
  router.add("GET", "/volumes", [routes](Request r) { return routes->list(std::move(r)); });
  router.add("POST", "/volumes/create", [routes](Request r) { return routes->create(std::move(r)); });
  router.add("POST", "/volumes/prune", [routes](Request r) { return routes->prune(std::move(r)); });
  router.add("GET", "/volumes/{name:.*}", [routes](Request r) { return routes->inspect(std::move(r)); });
  router.add("DELETE", "/volumes/{name:.*}", [routes](Request r) { return routes->remove(std::move(r)); });
}

}  // namespace berth::api
