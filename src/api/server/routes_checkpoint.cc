#include "api/server/answers.h"
#include "api/server/json_body.h"
#include "api/server/routes.h"
#include "base/core/error.h"

namespace berth::api {

namespace {

struct CheckpointView {
  std::string name;
  static void describe(auto& self, auto&& field) { field("Name", self.name); }
};

class CheckpointRoutes {
 public:
  CheckpointRoutes(engine::Containers& containers, bool experimental)
      : containers_(containers), experimental_(experimental) {}

  Task<http::Response> create(Request request) {
    check_experimental();
    engine::CheckpointRequest wanted = co_await read_json<engine::CheckpointRequest>(request, EmptyBody::refused);
    co_await containers_.create_checkpoint(request.param("id"), std::move(wanted));
    co_return http::Response::empty(201);
  }

  Task<http::Response> list(Request request) {
    check_experimental();
    const std::vector<std::string> names =
        co_await containers_.list_checkpoints(request.param("id"), request.text("dir"));
    if (names.empty()) co_return http::Response::json(200, "null\n");
    std::vector<CheckpointView> checkpoints;
    for (const std::string& name : names) checkpoints.push_back({name});
    co_return json_response(checkpoints);
  }

  Task<http::Response> remove(Request request) {
    check_experimental();
    co_await containers_.remove_checkpoint(request.param("id"),
                                           {.name = request.param("checkpoint"), .dir = request.text("dir")});
    co_return http::Response::empty(204);
  }

 private:
  void check_experimental() const {
    if (experimental_) return;
    throw not_implemented(
        "This experimental feature is disabled by default. Start the Docker daemon in experimental mode in order to "
        "enable it.");
  }

  engine::Containers& containers_;
  bool experimental_;
};

}  // namespace

void add_checkpoint_routes(Router& router, engine::Containers& containers, bool experimental) {
  const auto routes = std::make_shared<CheckpointRoutes>(containers, experimental);
  const auto add = [&](std::string method, std::string path, Task<http::Response> (CheckpointRoutes::*call)(Request)) {
    router.add(std::move(method), std::move(path),
               [routes, call](Request r) { return ((*routes).*call)(std::move(r)); });
  };
  add("POST", "/containers/{id}/checkpoints", &CheckpointRoutes::create);
  add("GET", "/containers/{id}/checkpoints", &CheckpointRoutes::list);
  add("DELETE", "/containers/{id}/checkpoints/{checkpoint}", &CheckpointRoutes::remove);
}

}  // namespace berth::api
