#include "registry/server/server.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <map>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "registry/client/neighbour.h"
#include "registry/server/blob_routes.h"
#include "registry/server/control.h"
#include "registry/server/errors.h"
#include "registry/server/list_routes.h"
#include "registry/server/manifest_routes.h"
#include "registry/server/names.h"
#include "registry/server/neighbours.h"
#include "registry/server/proxy.h"

namespace berth::registry::server {

namespace {

constexpr std::int64_t kUploadLifeSeconds = 24 * 3600;
constexpr std::chrono::hours kUploadsEvery{1};
constexpr std::chrono::seconds kDrainTime{10};  ///< for requests under way when the registry stops

bool is_reading(std::string_view method) { return method == "GET" || method == "HEAD"; }

/// Remembers what was answered, for the log and the counters.
class Watched final : public http::ResponseStream {
 public:
  Watched(http::ResponseStream& inner, std::string_view method) : inner_(inner), has_body_(method != "HEAD") {}
  int status = 0;
  std::uint64_t bytes = 0;  ///< of bodies

  Task<void> send(http::Response response) override {
    status = response.status;
    count(response.body.size());
    co_await inner_.send(std::move(response));
  }
  Task<void> send_file(http::Response head, sys::FdRef file, std::uint64_t offset, std::uint64_t size) override {
    status = head.status;
    count(size);
    co_await inner_.send_file(std::move(head), file, offset, size);
  }
  Task<void> begin(int code, std::string content_type, std::vector<http::Header> headers) override {
    status = code;
    co_await inner_.begin(code, std::move(content_type), std::move(headers));
  }
  Task<void> begin_sized(http::Response head, std::uint64_t size) override {
    status = head.status;
    co_await inner_.begin_sized(std::move(head), size);
  }
  Task<void> write(std::string_view piece) override {
    count(piece.size());
    co_await inner_.write(piece);
  }
  bool begun() const override { return inner_.begun(); }
  Task<void> while_connected(Task<void> work) override { co_await inner_.while_connected(std::move(work)); }
  Task<http::Hijacked> hijack(std::string type) override { co_return co_await inner_.hijack(std::move(type)); }
  Task<http::Hijacked> accept_websocket(http::WebSocketOffer offer) override {
    co_return co_await inner_.accept_websocket(std::move(offer));
  }

 private:
  void count(std::uint64_t size) {
    if (has_body_) bytes += size;
  }

  http::ResponseStream& inner_;
  const bool has_body_;
};

bool is_full_disk(const Error& error) {
  return error.error_number() == ENOSPC || error.error_number() == EDQUOT ||
         error.text().find("no space left on device") != std::string::npos;
}

Access::Rules access_rules(const Options& options) {
  Access::Rules rules = options.access;
  rules.own_key_file = cat(options.root, "/token.key");
  return rules;
}

sys::UniqueFd take_lock(const std::string& root) {
  sys::UniqueFd lock = sys::open_file(cat(root, "/lock"), O_RDWR | O_CREAT, 0600);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) throw conflict(cat(root, " is served by another process"));
  return lock;
}

std::string common_headers(const std::string& name) {
  std::string headers = "Docker-Distribution-Api-Version: registry/2.0\r\nX-Content-Type-Options: nosniff\r\n";
  if (!name.empty()) headers += cat(neighbour::kHeader, ": ", name, "\r\n");
  return headers;
}

}  // namespace

struct Server::Impl {
  Impl(Server& server, EventLoop& event_loop, async::BlockingPool& blocking, Options wanted, const Logger& logger)
      : loop(event_loop),
        pool(blocking),
        options(std::move(wanted)),
        log(logger),
        files(options.root),
        lock(take_lock(options.root)),
        catalog(loop, files, options.proxy.remote.empty() ? options.repository_quota_bytes : 0),
        uploads(loop, files, pool),
        access(access_rules(options), pool),
        proxy(options.proxy.remote.empty() ? nullptr
                                           : std::make_unique<Proxy>(loop, files, catalog, options.proxy, logger)),
        store{.files = files,
              .catalog = catalog,
              .uploads = uploads,
              .proxy = proxy.get(),
              .quota_bytes = options.repository_quota_bytes,
              .grace_seconds = options.collect.grace_seconds,
              .tag_rule = options.immutable_tags ? Catalog::TagRule::immutable_tags : Catalog::TagRule::mutable_tags},
        stopping(loop),
        collecting(loop),
        tasks(loop),
        neighbours(loop, pool, access, store, {}, note_passed(), logger),
        control(
            loop, options.root, [this](Catalog::CollectRules rules) { return collect(rules); }, logger),
        http(loop, server, {.common_headers = common_headers(listen_to_neighbours())}, logger) {
    tasks.on_error([this](const std::string& name, const std::exception& error) {
      log.error("registry: ", name, ": ", std::string_view{error.what()});
    });
    catalog.sweep_files();
    for (const std::string& id : files.old_uploads(kUploadLifeSeconds)) files.remove_upload(id);
  }

  /// The name of the socket; "" where there is none, which is no reason not to serve.
  std::string listen_to_neighbours() {
    if (options.neighbours.empty()) return "";
    try {
      std::string name = neighbour_name(options.root);
      neighbours.listen(options.neighbours, name);
      return name;
    } catch (const Error& error) {
      log.info("registry: engines on this machine get and send blobs over HTTP: ", error.text());
      return "";
    }
  }

  Task<void> dispatch(const http::Request& request, const Target& target, const Caller& caller,
                      http::ResponseStream& out);
  /// At /token nobody is anybody yet.
  Task<Caller> caller_of(const http::Request& request, const Target& target) {
    co_return target.kind == Target::Kind::token ? access.nobody() : co_await access.identify(request);
  }
  Task<Catalog::Collected> collect(Catalog::CollectRules rules);
  Task<void> collect_and_tell();
  Task<void> send_metrics(http::ResponseStream& out) const;
  void note(const http::Request& request, const Watched& answer, const std::string& user);
  void write_access_log(const http::Request& request, const std::string& user, int status, std::uint64_t bytes,
                        std::string_view how) const;
  Neighbours::Note note_passed() {
    return [this](const http::Request& request, const std::string& user, Neighbours::Passed passed) {
      write_access_log(request, user, passed.status, passed.bytes, " by reference");
    };
  }

  EventLoop& loop;
  async::BlockingPool& pool;
  const Options options;
  const Logger& log;
  BlobFiles files;
  sys::UniqueFd lock;
  Catalog catalog;
  Uploads uploads;
  Access access;
  std::unique_ptr<Proxy> proxy;
  Store store;
  async::Signal stopping;
  bool stopped = false, maintaining = false;
  async::Mutex collecting;
  async::Nursery tasks;
  Neighbours neighbours;
  Control control;
  http::Server http;
  std::map<std::pair<std::string, int>, std::uint64_t> answered;  ///< by method and status
  std::uint64_t sent_bytes = 0;
  Catalog::Collected collected;
};

Task<void> Server::Impl::dispatch(const http::Request& request, const Target& target, const Caller& caller,
                                  http::ResponseStream& out) {
  using Kind = Target::Kind;
  const std::string& method = request.method;
  if (has_repository(target.kind) && !is_repository_name(target.repository)) {
    throw Refusal{400, "NAME_INVALID", "invalid repository name"};
  }
  if (method == "DELETE" && target.kind != Kind::upload && !options.deletes) {
    throw Refusal{405, "UNSUPPORTED", "the operation is unsupported"};
  }
  if (proxy && (method == "PUT" || method == "POST" || method == "PATCH") && target.kind != Kind::token) {
    throw Refusal{405, "UNSUPPORTED", "this registry is a cache of another one: push there"};
  }
  switch (target.kind) {
    case Kind::base:
      if (is_reading(method)) {
        co_await out.send(http::Response::json(200, "{}"));
        co_return;
      }
      break;
    case Kind::catalog:
      if (is_reading(method)) {
        co_await list_repositories(store, caller, request, out);
        co_return;
      }
      break;
    case Kind::tags:
      if (is_reading(method)) {
        co_await list_tags(store, target.repository, request, out);
        co_return;
      }
      break;
    case Kind::referrers:
      if (is_reading(method)) {
        co_await list_referrers(store, target, request, out);
        co_return;
      }
      break;
    case Kind::manifest:
      if (co_await answer_manifest(store, target, request, out)) co_return;
      break;
    case Kind::blob:
      if (co_await answer_blob(store, target, request, out)) co_return;
      break;
    case Kind::uploads:
      if (method == "POST") {
        co_await start_upload(store, caller, target.repository, request, out);
        co_return;
      }
      break;
    case Kind::upload:
      if (co_await answer_upload(store, target, request, out)) co_return;
      break;
    case Kind::metrics:
      if (is_reading(method)) {
        co_await send_metrics(out);
        co_return;
      }
      break;
    case Kind::token:
      if (access.serves_tokens() && (method == "GET" || method == "POST")) {
        co_await access.answer_token(request, out);
        co_return;
      }
      throw Refusal{404, "NOT_FOUND", "no such page"};
    case Kind::unknown: throw Refusal{404, "NOT_FOUND", "no such page"};
  }
  throw Refusal{405, "UNSUPPORTED", "the operation is unsupported"};
}

/// Prometheus' text format.
Task<void> Server::Impl::send_metrics(http::ResponseStream& out) const {
  const Catalog::Totals totals = catalog.totals();
  std::string text = "# TYPE berth_registry_requests_total counter\n";
  for (const auto& [key, count] : answered) {
    text +=
        cat("berth_registry_requests_total{method=", quoted(key.first), ",code=\"", key.second, "\"} ", count, "\n");
  }
  const auto line = [&](std::string_view name, std::string_view kind, auto value) {
    text += cat("# TYPE berth_registry_", name, " ", kind, "\nberth_registry_", name, " ", value, "\n");
  };
  line("sent_bytes_total", "counter", sent_bytes);
  line("received_bytes_total", "counter", uploads.received_bytes());
  const Neighbours::Counts& passed = neighbours.counts();
  line("given_files_total", "counter", passed.given);
  line("given_files_bytes_total", "counter", passed.given_bytes);
  line("taken_files_total", "counter", passed.taken);
  line("taken_files_bytes_total", "counter", passed.taken_bytes);
  line("repositories", "gauge", totals.repositories);
  line("tags", "gauge", totals.tags);
  line("manifests", "gauge", totals.manifests);
  line("blobs", "gauge", totals.blobs);
  line("blob_bytes", "gauge", totals.bytes);
  line("collected_blobs_total", "counter", collected.blobs);
  line("collected_bytes_total", "counter", collected.bytes);
  co_await out.send({.status = 200, .content_type = "text/plain; version=0.0.4", .body = std::move(text)});
}

void Server::Impl::note(const http::Request& request, const Watched& answer, const std::string& user) {
  // Methods come from clients: only known ones become names of counters.
  static constexpr std::string_view kMethods[] = {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"};
  std::string method = "other";
  for (const std::string_view known : kMethods) {
    if (request.method == known) method = known;
  }
  ++answered[{method, answer.status}];
  sent_bytes += answer.bytes;
  write_access_log(request, user, answer.status, answer.bytes, "");
}

void Server::Impl::write_access_log(const http::Request& request, const std::string& user, int status,
                                    std::uint64_t bytes, std::string_view how) const {
  if (!options.access_log) return;
  log.info("registry: ", user.empty() ? "-" : user, " ", quoted(cat(request.method, " ", request.path)), " ", status,
           " ", bytes, how);
}

Server::Server(EventLoop& loop, async::BlockingPool& pool, Options options, const Logger& logger)
    : impl_(std::make_unique<Impl>(*this, loop, pool, std::move(options), logger)) {}

Server::~Server() = default;

http::Server& Server::http() { return impl_->http; }

Task<void> Server::handle(http::Request request, http::ResponseStream& out) {
  Watched answer{out, request.method};
  const Target target = parse_target(request.path);
  std::string user;
  std::optional<http::Response> refusal;
  try {
    const Caller caller = co_await impl_->caller_of(request, target);
    user = caller.user();
    impl_->access.require(caller, request, target);
    co_await impl_->dispatch(request, target, caller, answer);
  } catch (const Refusal& error) {
    refusal = error.response();
    if (error.status() == 401)
      refusal->headers.push_back({"WWW-Authenticate", impl_->access.challenge(request, target)});
  } catch (const Error& error) {
    if (answer.begun()) throw;
    if (error.kind() == ErrorKind::cancelled) throw;
    if (is_full_disk(error)) {
      impl_->log.error("registry: ", request.method, " ", request.path, ": ", error.text());
      refusal = Refusal{507, "UNKNOWN", "no space left on device"}.response();
    } else if (error.kind() == ErrorKind::invalid) {
      refusal = Refusal{400, "UNSUPPORTED", error.text()}.response();
    } else {
      impl_->log.error("registry: ", request.method, " ", request.path, ": ", error.text());
      refusal = Refusal{500, "UNKNOWN", error.text()}.response();
    }
  }
  if (refusal) co_await answer.send(std::move(*refusal));
  impl_->note(request, answer, user);
}

Task<Catalog::Collected> Server::Impl::collect(Catalog::CollectRules rules) {
  const async::Mutex::Guard turn = co_await collecting.lock();
  if (stopped) co_return Catalog::Collected{};
  if (proxy) collected.manifests += co_await proxy->expire();
  const Catalog::Collected some = co_await catalog.collect(rules);
  collected.manifests += some.manifests;
  collected.blobs += some.blobs;
  collected.bytes += some.bytes;
  co_await uploads.expire(kUploadLifeSeconds);
  co_return some;
}

Task<void> Server::Impl::collect_and_tell() {
  const Catalog::Collected some = co_await collect(options.collect);
  log.info("registry: collected ", some.manifests, " manifests, ", some.blobs, " blobs, ", some.bytes, " bytes");
}

Task<Catalog::Collected> Server::collect() { return impl_->collect(impl_->options.collect); }

void Server::collect_soon() {
  if (impl_->tasks.size() < 2) impl_->tasks.spawn("collecting", impl_->collect_and_tell());
}

/// Where nothing is collected by itself, uploads that were left alone for a day still are: no manifest can want them.
Task<void> Server::maintain() {
  const bool collects = impl_->options.collect_every.count() != 0;
  impl_->maintaining = true;
  while (!impl_->stopped) {
    if (co_await impl_->stopping.wait_for(collects ? impl_->options.collect_every : kUploadsEvery)) break;
    try {
      if (!collects) {
        co_await impl_->uploads.expire(kUploadLifeSeconds);
        continue;
      }
      const Catalog::Collected some = co_await collect();
      if (some.blobs > 0) impl_->log.info("registry: collected ", some.blobs, " blobs, ", some.bytes, " bytes");
    } catch (const Error& error) {
      impl_->log.error("registry: collecting: ", error.text());
    }
  }
  impl_->maintaining = false;
  impl_->stopping.notify_all();
}

Task<void> Server::close() {
  impl_->stopped = true;
  impl_->catalog.end_collecting();
  impl_->stopping.notify_all();
  co_await impl_->http.drain(kDrainTime);
  co_await impl_->control.close();
  co_await impl_->tasks.close();
  if (impl_->proxy) co_await impl_->proxy->close();
  co_await impl_->neighbours.close();
  co_await impl_->http.close();
  co_await impl_->uploads.close();
  while (impl_->maintaining) co_await impl_->stopping.wait();
}

}  // namespace berth::registry::server
