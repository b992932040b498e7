#include "api/server/answers.h"
#include "api/server/routes.h"
#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::api {

namespace {

struct WaitError {
  std::string message;
  static void describe(auto& self, auto&& field) { field("Message", self.message); }
};

/// Spec: docker-engine-api-v1.51.yaml, ContainerWaitResponse.
struct WaitAnswer {
  std::int64_t status_code = 0;
  std::optional<WaitError> error;
  static void describe(auto& self, auto&& field) {
    field("StatusCode", self.status_code);
    field("Error", self.error, json::omit_empty);
  }
};

engine::WaitCondition parse_condition(const Request& request) {
  const std::string name = request.text("condition");
  if (request.version < Version{1, 30} || name.empty() || name == "not-running") {
    return engine::WaitCondition::not_running;
  }
  if (name == "next-exit") return engine::WaitCondition::next_exit;
  if (name == "removed") return engine::WaitCondition::removed;
  throw invalid(cat("invalid condition: ", quoted(name)));
}

engine::LogQuery parse_log_query(const Request& request) {
  engine::LogQuery query{.follow = request.flag("follow"),
                         .want_stdout = request.flag("stdout"),
                         .want_stderr = request.flag("stderr"),
                         .timestamps = request.flag("timestamps"),
                         .details = request.flag("details")};
  if (!query.want_stdout && !query.want_stderr) {
    throw invalid("Bad parameters: you must choose at least one stream");
  }
  query.since = request.time("since");
  query.until = request.time("until");
  const std::optional<std::int64_t> tail = parse_number<std::int64_t>(request.text("tail"));
  if (tail && *tail >= 0) query.tail = tail;  // "all", "" and nonsense alike mean all, as in Docker
  return query;
}

std::string_view stream_type(const Request& request, bool tty) {
  return !tty && request.version >= Version{1, 42} ? kMultiplexedStream : kRawStream;
}

class ContainerStreamRoutes {
 public:
  explicit ContainerStreamRoutes(engine::Containers& containers) : containers_(containers) {}

  Task<void> wait(Request request, http::ResponseStream& out) {
    const std::unique_ptr<engine::Waiter> waiter =
        co_await containers_.open_wait(request.param("id"), parse_condition(request));
    // `docker run` starts the container only when it has this head, so that no exit is missed.
    if (request.version >= Version{1, 30}) co_await out.begin(200, "application/json");
    co_await out.while_connected(answer_wait(*waiter, out));
  }

  Task<void> logs(Request request, http::ResponseStream& out) {
    const std::unique_ptr<engine::LogStream> log =
        co_await containers_.open_logs(request.param("id"), parse_log_query(request));
    co_await out.begin(200, std::string{stream_type(request, log->tty())});
    co_await out.while_connected(copy_log(*log, out));
  }

  /// Before API 1.42 a WebSocket always had all three streams.
  Task<void> attach_websocket(Request request, http::ResponseStream& out) {
    const bool all = request.version < Version{1, 42};
    engine::AttachOptions options{.want_stdin = all || request.flag("stdin"),
                                  .want_stdout = all || request.flag("stdout"),
                                  .want_stderr = all || request.flag("stderr"),
                                  .stream = request.flag("stream"),
                                  .logs = request.flag("logs"),
                                  .detach_keys = {},
                                  .unframed = true};
    if (const std::string keys = request.text("detachKeys"); !keys.empty()) options.detach_keys = keys;
    const std::unique_ptr<engine::AttachSession> session =
        co_await containers_.open_attach(request.param("id"), std::move(options));
    http::Hijacked connection = co_await out.accept_websocket(http::read_websocket_offer(request.headers));
    engine::Hijacked client{std::move(connection.socket), std::move(connection.early_data)};
    co_await session->run(std::move(client));
  }

  Task<void> stats(Request request, http::ResponseStream& out) {
    const engine::StatsQuery query{.stream = request.flag("stream", true),
                                   .one_shot = request.version >= Version{1, 41} && request.flag("one-shot")};
    const std::unique_ptr<engine::StatsStream> stats = co_await containers_.open_stats(request.param("id"), query);
    if (query.stream) co_await out.begin(200, "application/json");
    co_await out.while_connected(copy_stats(*stats, out));
    // Removed while its second sample was waited for.
    if (!query.stream && !out.begun()) throw not_found(cat("No such container: ", request.param("id")));
  }

  Task<void> attach(Request request, http::ResponseStream& out) {
    engine::AttachOptions options{.want_stdin = request.flag("stdin"),
                                  .want_stdout = request.flag("stdout"),
                                  .want_stderr = request.flag("stderr"),
                                  .stream = request.flag("stream"),
                                  .logs = request.flag("logs")};
    if (const std::string keys = request.text("detachKeys"); !keys.empty()) options.detach_keys = keys;
    const std::unique_ptr<engine::AttachSession> session =
        co_await containers_.open_attach(request.param("id"), std::move(options));
    // The old form of hijacking never names the multiplexed type.
    const bool upgrades = request.header("Upgrade").has_value();
    http::Hijacked connection =
        co_await out.hijack(std::string{upgrades ? stream_type(request, session->tty()) : kRawStream});
    engine::Hijacked client{std::move(connection.socket), std::move(connection.early_data)};
    co_await session->run(std::move(client));
  }

 private:
  static Task<void> answer_wait(engine::Waiter& waiter, http::ResponseStream& out) {
    const engine::WaitResult result = co_await waiter.result();
    WaitAnswer answer{.status_code = result.status_code};
    if (!result.error.empty()) answer.error = WaitError{result.error};
    http::Response response = json_response(answer);
    if (out.begun()) {
      co_await out.write(response.body);
    } else {
      co_await out.send(std::move(response));
    }
  }

  static Task<void> copy_log(engine::LogStream& log, http::ResponseStream& out) {
    for (;;) {
      const std::optional<std::string> piece = co_await log.next();
      if (!piece) co_return;
      co_await out.write(*piece);
    }
  }

  static Task<void> copy_stats(engine::StatsStream& stats, http::ResponseStream& out) {
    for (;;) {
      const std::shared_ptr<const std::string> sample = co_await stats.next();
      if (!sample) co_return;
      if (!out.begun()) {
        co_await out.send(http::Response::json(200, *sample));
        co_return;
      }
      co_await out.write(*sample);
    }
  }

  engine::Containers& containers_;
};

}  // namespace

void add_container_stream_routes(Router& router, engine::Containers& containers) {
  const auto routes = std::make_shared<ContainerStreamRoutes>(containers);
  router.add_stream("POST", "/containers/{id}/wait",
                    [routes](Request r, http::ResponseStream& out) { return routes->wait(std::move(r), out); });
  router.add_stream("GET", "/containers/{id}/logs",
                    [routes](Request r, http::ResponseStream& out) { return routes->logs(std::move(r), out); });
  router.add_stream("GET", "/containers/{id}/stats",
                    [routes](Request r, http::ResponseStream& out) { return routes->stats(std::move(r), out); });
  router.add_stream("GET", "/containers/{id}/attach/ws", [routes](Request r, http::ResponseStream& out) {
    return routes->attach_websocket(std::move(r), out);
  });
  router.add_stream("POST", "/containers/{id}/attach",
                    [routes](Request r, http::ResponseStream& out) { return routes->attach(std::move(r), out); });
}

}  // namespace berth::api
