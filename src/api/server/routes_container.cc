#include "api/server/answers.h"
#include "api/server/json_body.h"
#include "api/server/routes.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "engine/container_views.h"

namespace berth::api {

namespace {

struct UpdateRequest : container::Resources {
  static constexpr std::string_view kGoName = "UpdateConfig";
  std::optional<container::RestartPolicy> restart_policy;
  static void describe(auto& self, auto&& field) {
    container::Resources::describe(self, field);
    field("RestartPolicy", self.restart_policy);
  }
};

struct Updated {
  std::vector<std::string> warnings;
  static void describe(auto& self, auto&& field) { field("Warnings", self.warnings, json::null_if_empty); }
};

struct ContainersPruned {
  std::vector<std::string> containers_deleted;
  std::uint64_t space_reclaimed = 0;
  static void describe(auto& self, auto&& field) {
    field("ContainersDeleted", self.containers_deleted, json::null_if_empty);
    field("SpaceReclaimed", self.space_reclaimed);
  }
};

http::Response answer_started(engine::Started started) {
  return http::Response::empty(started == engine::Started::now ? 204 : 304);
}

class ContainerRoutes {
 public:
  explicit ContainerRoutes(engine::Containers& containers) : containers_(containers) {}

  Task<http::Response> list(Request request) {
    engine::ListQuery query{.all = request.flag("all"), .size = request.flag("size")};
    query.limit = request.integer("limit").value_or(0);
    query.filters = engine::Filters::parse(request.text("filters"));
    const std::vector<engine::ContainerSummary> containers = co_await containers_.list(std::move(query));
    co_return json_response(containers);
  }

  Task<http::Response> create(Request request) {
    container::CreateRequest wanted = co_await read_json<container::CreateRequest>(request, EmptyBody::refused);
    const engine::Created created =
        co_await containers_.create(request.text("name"), request.text("platform"), std::move(wanted));
    co_return json_response(created, 201);
  }

  Task<http::Response> inspect(Request request) {
    const engine::ContainerInspect container = co_await containers_.inspect(request.param("id"), request.flag("size"));
    co_return json_response(container);
  }

  Task<http::Response> top(Request request) {
    const engine::ProcessList list = co_await containers_.top(request.param("id"), request.text("ps_args"));
    co_return json_response(list);
  }

  Task<http::Response> start(Request request) {
    // Some clients send "{}" or "null" with no meaning; a HostConfig here was Docker's way before 1.24.
    if (request.body->length().value_or(8) > 7) {
      throw invalid(
          "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24");
    }
    const engine::Started started = co_await containers_.start(
        request.param("id"), {.name = request.text("checkpoint"), .dir = request.text("checkpoint-dir")});
    co_return answer_started(started);
  }

  Task<http::Response> stop(Request request) {
    const engine::Started stopped =
        co_await containers_.stop(request.param("id"), request.integer("t"), request.text("signal"));
    co_return answer_started(stopped);
  }
  Task<http::Response> restart(Request request) {
    co_await containers_.restart(request.param("id"), request.integer("t"), request.text("signal"));
    co_return http::Response::empty(204);
  }
  Task<http::Response> kill(Request request) {
    co_await containers_.kill(request.param("id"), request.text("signal"));
    co_return http::Response::empty(204);
  }
  Task<http::Response> pause(Request request) {
    co_await containers_.pause(request.param("id"));
    co_return http::Response::empty(204);
  }
  Task<http::Response> unpause(Request request) {
    co_await containers_.unpause(request.param("id"));
    co_return http::Response::empty(204);
  }
  Task<http::Response> remove(Request request) {
    const engine::RemoveOptions options{
        .force = request.flag("force"), .volumes = request.flag("v"), .link = request.flag("link")};
    co_await containers_.remove(request.param("id"), options);
    co_return http::Response::empty(204);
  }
  Task<http::Response> rename(Request request) {
    co_await containers_.rename(request.param("id"), request.text("name"));
    co_return http::Response::empty(204);
  }
  Task<http::Response> resize(Request request) {
    const int rows = request.required_integer("h");
    const int columns = request.required_integer("w");
    co_await containers_.resize(request.param("id"), rows, columns);
    co_return http::Response::empty(200);
  }
  Task<http::Response> update(Request request) {
    UpdateRequest wanted = co_await read_json<UpdateRequest>(request);
    std::optional<container::RestartPolicy> policy = std::move(wanted.restart_policy);
    if (policy && policy->name.empty()) policy.reset();  // the CLI always sends the object
    Updated answer;
    answer.warnings =
        co_await containers_.update(request.param("id"), container::Resources{std::move(wanted)}, std::move(policy));
    co_return json_response(answer);
  }
  Task<http::Response> prune(Request request) {
    auto pruned = co_await containers_.prune(engine::Filters::parse(request.text("filters")));
    const ContainersPruned answer{std::move(pruned.first), pruned.second};
    co_return json_response(answer);
  }

 private:
  engine::Containers& containers_;
};

}  // namespace

void add_container_routes(Router& router, engine::Containers& containers) {
  const auto routes = std::make_shared<ContainerRoutes>(containers);
  const auto add = [&](std::string method, std::string path, Task<http::Response> (ContainerRoutes::*call)(Request)) {
    router.add(std::move(method), std::move(path),
               [routes, call](Request r) { return ((*routes).*call)(std::move(r)); });
  };
  add("GET", "/containers/json", &ContainerRoutes::list);
  add("POST", "/containers/create", &ContainerRoutes::create);
  add("POST", "/containers/prune", &ContainerRoutes::prune);
  add("GET", "/containers/{id}/json", &ContainerRoutes::inspect);
  add("GET", "/containers/{id}/top", &ContainerRoutes::top);
  add("POST", "/containers/{id}/start", &ContainerRoutes::start);
  add("POST", "/containers/{id}/stop", &ContainerRoutes::stop);
  add("POST", "/containers/{id}/restart", &ContainerRoutes::restart);
  add("POST", "/containers/{id}/kill", &ContainerRoutes::kill);
  add("POST", "/containers/{id}/pause", &ContainerRoutes::pause);
  add("POST", "/containers/{id}/unpause", &ContainerRoutes::unpause);
  add("POST", "/containers/{id}/rename", &ContainerRoutes::rename);
  add("POST", "/containers/{id}/resize", &ContainerRoutes::resize);
  add("POST", "/containers/{id}/update", &ContainerRoutes::update);
  add("DELETE", "/containers/{id}", &ContainerRoutes::remove);
}

}  // namespace berth::api
