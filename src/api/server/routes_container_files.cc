#include "api/server/answers.h"
#include "api/server/json_body.h"
#include "api/server/routes.h"
#include "api/server/transfer.h"
#include "base/core/base64.h"
#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::api {

namespace {

constexpr const char* kPathStat = "X-Docker-Container-Path-Stat";

http::Header stat_header(const engine::PathStat& stat) { return {kPathStat, base64(json::to_json(stat))}; }

std::string path_of(const Request& request) {
  std::string path = request.text("path");
  if (path.empty()) throw invalid("bad parameter: path cannot be empty");
  return path;
}

struct Committed {
  std::string id;
  static void describe(auto& self, auto&& field) { field("Id", self.id); }
};

class ContainerFileRoutes {
 public:
  ContainerFileRoutes(engine::Containers& containers, EventLoop& loop) : containers_(containers), loop_(loop) {}

  Task<http::Response> stat(Request request) {
    const engine::PathStat stat = co_await containers_.stat_path(request.param("id"), path_of(request));
    http::Response response = http::Response::empty(200);
    response.headers.push_back(stat_header(stat));
    co_return response;
  }

  Task<http::Response> changes(Request request) {
    const std::vector<engine::PathChange> changes = co_await containers_.changes(request.param("id"));
    if (changes.empty()) co_return http::Response::json(200, "null\n");  // Go's empty list
    co_return json_response(changes);
  }

  Task<http::Response> commit(Request request) {
    const std::string text = co_await read_json_text(request, EmptyBody::allowed);
    engine::CommitRequest wanted{.container = request.text("container"),
                                 .repository = request.text("repo"),
                                 .tag = request.text("tag"),
                                 .author = request.text("author"),
                                 .comment = request.text("comment"),
                                 .changes = request.query.all("changes"),
                                 .pause = request.text("pause").empty() || request.flag("pause")};
    if (!trim(text).empty() && trim(text) != "null") wanted.config = decode_body<container::Config>(text);
    const Committed answer{co_await containers_.commit(std::move(wanted))};
    co_return json_response(answer, 201);
  }

  Task<void> get_archive(Request request, http::ResponseStream& out) {
    const engine::PathArchive archive = co_await containers_.open_archive(request.param("id"), path_of(request));
    co_await download(*archive.download, "application/x-tar", {stat_header(archive.stat)}, request, out);
  }

  Task<void> export_all(Request request, http::ResponseStream& out) {
    const std::unique_ptr<engine::Download> tree = co_await containers_.open_export(request.param("id"));
    co_await download(*tree, "application/octet-stream", {}, request, out);
  }

  Task<void> put_archive(Request request, http::ResponseStream& out) {
    engine::ExtractOptions options{.path = path_of(request),
                                   .keep_kinds = request.flag("noOverwriteDirNonDir"),
                                   .users_own = request.flag("copyUIDGID")};
    Transfer transfer{loop_, request, out};
    co_await transfer.open(Transfer::Flow::upload, "");
    co_await transfer.run(containers_.extract_archive(request.param("id"), std::move(options), transfer.upload()));
    co_await out.send(http::Response::empty(200));
  }

 private:
  Task<void> download(engine::Download& source, std::string content_type, std::vector<http::Header> headers,
                      const Request& request, http::ResponseStream& out) {
    Transfer transfer{loop_, request, out};
    co_await transfer.open(Transfer::Flow::download, std::move(content_type), std::move(headers));
    co_await transfer.run(source.run(transfer.download()));
  }

  engine::Containers& containers_;
  EventLoop& loop_;
};

}  // namespace

void add_container_file_routes(Router& router, engine::Containers& containers, EventLoop& loop) {
  const auto routes = std::make_shared<ContainerFileRoutes>(containers, loop);
  const auto add = [&](std::string method, std::string path,
                       Task<http::Response> (ContainerFileRoutes::*call)(Request)) {
    router.add(std::move(method), std::move(path),
               [routes, call](Request r) { return ((*routes).*call)(std::move(r)); });
  };
  const auto add_stream = [&](std::string method, std::string path,
                              Task<void> (ContainerFileRoutes::*call)(Request, http::ResponseStream&)) {
    router.add_stream(std::move(method), std::move(path), [routes, call](Request r, http::ResponseStream& out) {
      return ((*routes).*call)(std::move(r), out);
    });
  };
  add("HEAD", "/containers/{id}/archive", &ContainerFileRoutes::stat);
  add_stream("GET", "/containers/{id}/archive", &ContainerFileRoutes::get_archive);
  add_stream("PUT", "/containers/{id}/archive", &ContainerFileRoutes::put_archive);
  add("GET", "/containers/{id}/changes", &ContainerFileRoutes::changes);
  add_stream("GET", "/containers/{id}/export", &ContainerFileRoutes::export_all);
  add("POST", "/commit", &ContainerFileRoutes::commit);
}

}  // namespace berth::api
