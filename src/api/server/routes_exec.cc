#include "api/server/answers.h"
#include "api/server/json_body.h"
#include "api/server/routes.h"
#include "base/core/error.h"
#include "engine/container_views.h"

namespace berth::api {

namespace {

struct ExecCreated {
  std::string id;
  static void describe(auto& self, auto&& field) { field("Id", self.id); }
};

struct ExecStartRequest {
  static constexpr std::string_view kGoName = "ExecStartOptions";
  bool detach = false, tty = false;
  std::vector<std::uint64_t> console_size;
  static void describe(auto& self, auto&& field) {
    field("Detach", self.detach);
    field("Tty", self.tty);
    field("ConsoleSize", self.console_size);
  }
};

class ExecRoutes {
 public:
  explicit ExecRoutes(engine::Containers& containers) : containers_(containers) {}

  Task<http::Response> create(Request request) {
    engine::ExecCreateRequest wanted = co_await read_json<engine::ExecCreateRequest>(request, EmptyBody::refused);
    if (wanted.cmd.empty()) throw invalid("No exec command specified");
    if (request.version < Version{1, 42}) wanted.console_size.clear();  // not known before
    ExecCreated created;
    created.id = co_await containers_.exec_create(request.param("id"), std::move(wanted));
    co_return json_response(created, 201);
  }

  Task<void> start(Request request, http::ResponseStream& out) {
    ExecStartRequest wanted = co_await read_json<ExecStartRequest>(request, EmptyBody::refused);
    if (request.version < Version{1, 42} || !wanted.tty) wanted.console_size.clear();
    engine::ExecStartOptions options{
        .detach = wanted.detach, .tty = wanted.tty, .console_size = std::move(wanted.console_size)};
    const std::unique_ptr<engine::AttachSession> session =
        co_await containers_.exec_start(request.param("id"), std::move(options));
    if (!session) {
      co_await out.send(http::Response::empty(200));
      co_return;
    }
    const bool multiplexed = request.header("Upgrade") && !session->tty() && request.version >= Version{1, 42};
    http::Hijacked connection = co_await out.hijack(std::string{multiplexed ? kMultiplexedStream : kRawStream});
    engine::Hijacked client{std::move(connection.socket), std::move(connection.early_data)};
    co_await http::until_read(client.socket);
    co_await session->run(std::move(client));
  }

  Task<http::Response> resize(Request request) {
    const int rows = request.required_integer("h");
    const int columns = request.required_integer("w");
    co_await containers_.exec_resize(request.param("id"), rows, columns);
    co_return http::Response::empty(200);
  }

  Task<http::Response> inspect(Request request) {
    const engine::ExecInspect exec = co_await containers_.exec_inspect(request.param("id"));
    co_return json_response(exec);
  }

 private:
  engine::Containers& containers_;
};

}  // namespace

void add_exec_routes(Router& router, engine::Containers& containers) {
  const auto routes = std::make_shared<ExecRoutes>(containers);
  router.add("POST", "/containers/{id}/exec", [routes](Request r) { return routes->create(std::move(r)); });
  router.add_stream("POST", "/exec/{id}/start",
                    [routes](Request r, http::ResponseStream& out) { return routes->start(std::move(r), out); });
  router.add("POST", "/exec/{id}/resize", [routes](Request r) { return routes->resize(std::move(r)); });
  router.add("GET", "/exec/{id}/json", [routes](Request r) { return routes->inspect(std::move(r)); });
}

}  // namespace berth::api
