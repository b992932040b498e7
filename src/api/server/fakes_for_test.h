#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>

#include "api/server/routes.h"
#include "base/core/error.h"
#include "engine/container_views.h"
#include "engine/system_views.h"

/// Hand-written stand-ins for the engine and for the connection: a test overrides the calls it is about.
namespace berth::api::testing {

[[noreturn]] inline void unexpected(const char* call) { throw system_error(std::string{"unexpected call: "} + call); }

class FakeContainers : public engine::Containers {
 public:
  Task<engine::Created> create(std::string, std::string, container::CreateRequest) override { unexpected("create"); }
  Task<engine::Started> start(std::string, engine::CheckpointName) override { unexpected("start"); }
  Task<engine::Started> stop(std::string, std::optional<int>, std::string) override { unexpected("stop"); }
  Task<void> restart(std::string, std::optional<int>, std::string) override { unexpected("restart"); }
  Task<void> kill(std::string, std::string) override { unexpected("kill"); }
  Task<void> pause(std::string) override { unexpected("pause"); }
  Task<void> unpause(std::string) override { unexpected("unpause"); }
  Task<void> remove(std::string, engine::RemoveOptions) override { unexpected("remove"); }
  Task<void> rename(std::string, std::string) override { unexpected("rename"); }
  Task<void> resize(std::string, int, int) override { unexpected("resize"); }
  Task<std::vector<std::string>> update(std::string, container::Resources,
                                        std::optional<container::RestartPolicy>) override {
    unexpected("update");
  }
  Task<std::vector<engine::ContainerSummary>> list(engine::ListQuery) override { unexpected("list"); }
  Task<engine::ContainerInspect> inspect(std::string, bool) override { unexpected("inspect"); }
  Task<std::unique_ptr<engine::Waiter>> open_wait(std::string, engine::WaitCondition) override { unexpected("wait"); }
  Task<std::unique_ptr<engine::LogStream>> open_logs(std::string, engine::LogQuery) override { unexpected("logs"); }
  Task<std::unique_ptr<engine::AttachSession>> open_attach(std::string, engine::AttachOptions) override {
    unexpected("attach");
  }
  Task<std::pair<std::vector<std::string>, std::uint64_t>> prune(engine::Filters) override { unexpected("prune"); }
  Task<engine::PathStat> stat_path(std::string, std::string) override { unexpected("stat_path"); }
  Task<engine::PathArchive> open_archive(std::string, std::string) override { unexpected("open_archive"); }
  Task<void> extract_archive(std::string, engine::ExtractOptions, std::shared_ptr<StoppableSource>) override {
    unexpected("extract_archive");
  }
  Task<std::vector<engine::PathChange>> changes(std::string) override { unexpected("changes"); }
  Task<std::unique_ptr<engine::Download>> open_export(std::string) override { unexpected("open_export"); }
  Task<std::string> commit(engine::CommitRequest) override { unexpected("commit"); }
  Task<void> create_checkpoint(std::string, engine::CheckpointRequest) override { unexpected("create_checkpoint"); }
  Task<std::vector<std::string>> list_checkpoints(std::string, std::string) override { unexpected("list_checkpoints"); }
  Task<void> remove_checkpoint(std::string, engine::CheckpointName) override { unexpected("remove_checkpoint"); }
  Task<std::string> exec_create(std::string, engine::ExecCreateRequest) override { unexpected("exec_create"); }
  Task<std::unique_ptr<engine::AttachSession>> exec_start(std::string, engine::ExecStartOptions) override {
    unexpected("exec_start");
  }
  Task<void> exec_resize(std::string, int, int) override { unexpected("exec_resize"); }
  Task<engine::ExecInspect> exec_inspect(std::string) override { unexpected("exec_inspect"); }
  Task<std::unique_ptr<engine::StatsStream>> open_stats(std::string, engine::StatsQuery) override {
    unexpected("open_stats");
  }
  Task<engine::ProcessList> top(std::string, std::string) override { unexpected("top"); }
};

class FakeImages : public engine::Images {
 public:
  Task<std::vector<image::ImageSummary>> list(engine::ImageListQuery) override { unexpected("list"); }
  Task<image::ImageInspect> inspect(InspectQuery) override { unexpected("inspect"); }
  Task<std::vector<image::HistoryEntry>> history(std::string, std::string) override { unexpected("history"); }
  Task<void> tag(std::string, std::string, std::string) override { unexpected("tag"); }
  Task<std::vector<image::DeleteResponse>> remove(RemoveQuery) override { unexpected("remove"); }
  Task<image::PruneReport> prune(engine::Filters) override { unexpected("prune"); }
  Task<void> check(bool, std::shared_ptr<ByteSink>) override { unexpected("check"); }
  Task<void> load(std::shared_ptr<ByteSource>, std::shared_ptr<ByteSink>, bool, std::vector<std::string>) override {
    unexpected("load");
  }
  Task<void> check_saveable(SaveQuery) override { unexpected("check_saveable"); }
  Task<void> save(SaveQuery, std::shared_ptr<ByteSink>) override { unexpected("save"); }
  Task<void> import(std::shared_ptr<ByteSource>, std::shared_ptr<ByteSink>, engine::ImportRequest) override {
    unexpected("import");
  }
};

class FakeSystem : public engine::System {
 public:
  engine::SystemInfo info() override { unexpected("info"); }
  engine::VersionInfo version() override { unexpected("version"); }
  Task<engine::DiskUsage> disk_usage(engine::DiskUsageQuery) override { unexpected("disk_usage"); }
  std::unique_ptr<engine::EventStream> open_events(std::optional<Time>, std::optional<Time>, engine::Filters) override {
    unexpected("open_events");
  }
};

class FakeVolumes : public engine::Volumes {
 public:
  Task<engine::VolumeView> create(engine::VolumeCreateRequest) override { unexpected("create"); }
  Task<std::vector<engine::VolumeView>> list(engine::Filters) override { unexpected("list"); }
  Task<engine::VolumeView> inspect(std::string) override { unexpected("inspect"); }
  Task<void> remove(std::string, bool) override { unexpected("remove"); }
  Task<std::pair<std::vector<std::string>, std::uint64_t>> prune(engine::Filters) override { unexpected("prune"); }
};

class FakeNetworks : public engine::Networks {
 public:
  Task<std::vector<engine::NetworkView>> list(engine::Filters) override { unexpected("list"); }
  Task<engine::NetworkView> inspect(std::string) override { unexpected("inspect"); }
  Task<engine::NetworkCreated> create(engine::NetworkCreateRequest) override { unexpected("create"); }
  Task<void> remove(std::string) override { unexpected("remove"); }
  Task<std::vector<std::string>> prune(engine::Filters) override { unexpected("prune"); }
};

/// Pulls and pushes nothing, and says what was asked.
class FakeRegistry : public engine::Registry {
 public:
  Task<engine::AuthResult> authenticate(engine::AuthConfig) override { throw system_error("unexpected call"); }
  Task<void> pull(std::shared_ptr<ByteSink> progress, engine::PullQuery query) override {
    progress->write(cat(query.name, "|", query.tag, "|", query.platform, "|", query.credentials.username));
    co_return;
  }
  Task<void> push(std::shared_ptr<ByteSink> progress, engine::PushQuery query) override {
    progress->write(cat(query.name, "|", query.tag, "|", query.credentials.password));
    co_return;
  }
  Task<void> import(std::shared_ptr<ByteSink> progress, std::string address, engine::ImportRequest request) override {
    progress->write(cat(address, "|", request.reference));
    co_return;
  }
  Task<engine::DistributionInspect> distribution(std::string, engine::AuthConfig) override {
    throw system_error("unexpected call");
  }
  Task<std::vector<engine::SearchResult>> search(engine::SearchQuery) override {
    throw system_error("unexpected call");
  }
};

/// A body in pieces.
class FakeBody final : public http::BodyReader {
 public:
  explicit FakeBody(std::string text) : text_(std::move(text)) {}
  std::optional<std::uint64_t> length() const override { return text_.size(); }
  Task<std::optional<std::string>> next() override {
    if (read_) co_return std::nullopt;
    read_ = true;
    co_return text_;
  }
  Task<std::size_t> read_some(char* buffer, std::size_t size) override {
    const std::size_t count = text_.copy(buffer, size);
    text_.erase(0, count);
    co_return count;
  }
  Task<std::string> read_all(std::size_t) override { co_return text_; }

 private:
  std::string text_;
  bool read_ = false;
};

/// Remembers what was answered.
class FakeStream final : public http::ResponseStream {
 public:
  int status = 0;
  std::string content_type, body, hijacked_as;
  std::vector<http::Header> headers;

  Task<void> send(http::Response response) override {
    status = response.status;
    content_type = response.content_type;
    body = response.body;
    headers = response.headers;
    co_return;
  }
  Task<void> begin(int code, std::string type, std::vector<http::Header>) override {
    status = code;
    content_type = type;
    co_return;
  }
  Task<void> write(std::string_view bytes) override {
    body += bytes;
    co_return;
  }
  Task<void> begin_sized(http::Response, std::uint64_t) override { unexpected("begin_sized"); }
  Task<void> send_file(http::Response, sys::FdRef, std::uint64_t, std::uint64_t) override { unexpected("send_file"); }
  bool begun() const override { return status != 0; }
  Task<void> while_connected(Task<void> work) override { co_await std::move(work); }
  Task<http::Hijacked> hijack(std::string type) override {
    status = 101;
    hijacked_as = type;
    co_return http::Hijacked{};
  }
  Task<http::Hijacked> accept_websocket(http::WebSocketOffer) override {
    status = 101;
    hijacked_as = "websocket";
    co_return http::Hijacked{};
  }
};

/// Runs one request through a router, to its end.
class Api {
 public:
  FakeStream ask(std::string method, std::string target, std::string body = "",
                 std::vector<http::Header> headers = {}) {
    const std::size_t mark = std::min(target.find('?'), target.size());
    http::Request request{.method = std::move(method),
                          .path = target.substr(0, mark),
                          .query_text = target.substr(std::min(mark + 1, target.size())),
                          .headers = std::move(headers)};
    if (!body.empty()) request.headers.push_back({"Content-Type", "application/json"});
    FakeBody reader{std::move(body)};
    request.body = &reader;
    FakeStream out;
    std::exception_ptr failure;
    boost::asio::co_spawn(loop, router.handle(std::move(request), out),
                          [&](std::exception_ptr error) { failure = std::move(error); });
    loop.restart();
    loop.run();
    if (failure) std::rethrow_exception(failure);
    return out;
  }

  EventLoop loop;
  Logger logger{LogLevel::fatal};
  Router router{logger};
};

}  // namespace berth::api::testing
