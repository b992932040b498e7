#include "api/server/answers.h"
#include "api/server/json_body.h"
#include "api/server/routes.h"
#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::api {

namespace {

struct NetworksPruned {
  std::vector<std::string> networks_deleted;
  static void describe(auto& self, auto&& field) {
    field("NetworksDeleted", self.networks_deleted, json::null_if_empty);
  }
};

class NetworkRoutes {
 public:
  explicit NetworkRoutes(engine::Networks& networks) : networks_(networks) {}

  Task<http::Response> list(Request request) {
    const std::vector<engine::NetworkView> networks =
        co_await networks_.list(engine::Filters::parse(request.text("filters")));
    co_return json_response(networks);
  }
  Task<http::Response> inspect(Request request) {
    const engine::NetworkView network = co_await networks_.inspect(request.param("id"));
    const std::string scope = request.text("scope");
    if (!scope.empty() && scope != network.scope) throw not_found(cat("network ", request.param("id"), " not found"));
    co_return json_response(network);
  }
  Task<http::Response> create(Request request) {
    engine::NetworkCreateRequest wanted = co_await read_json<engine::NetworkCreateRequest>(request);
    const engine::NetworkCreated created = co_await networks_.create(std::move(wanted));
    co_return json_response(created, 201);
  }
  Task<http::Response> remove(Request request) {
    co_await networks_.remove(request.param("id"));
    co_return http::Response::empty(204);
  }
  Task<http::Response> prune(Request request) {
    NetworksPruned answer;
    answer.networks_deleted = co_await networks_.prune(engine::Filters::parse(request.text("filters")));
    co_return json_response(answer);
  }

 private:
  engine::Networks& networks_;
};

}  // namespace

void add_network_routes(Router& router, engine::Networks& networks) {
  const auto routes = std::make_shared<NetworkRoutes>(networks);

  router.add("GET", "/networks", [routes](Request r) { return routes->list(std::move(r)); });
  router.add("GET", "/networks/{id}", [routes](Request r) { return routes->inspect(std::move(r)); });
  router.add("POST", "/networks/create", [routes](Request r) { return routes->create(std::move(r)); });
  router.add("POST", "/networks/prune", [routes](Request r) { return routes->prune(std::move(r)); });
  router.add("DELETE", "/networks/{id}", [routes](Request r) { return routes->remove(std::move(r)); });
}

}  // namespace berth::api
