#include "api/server/answers.h"
#include "api/server/registry_auth.h"
#include "api/server/routes.h"
#include "api/server/transfer.h"
#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::api {

namespace {

/// Older clients take these fields for granted.
void show_as_before(std::vector<image::ImageSummary>& images, Version version) {
  for (image::ImageSummary& image : images) {
    if (version < Version{1, 44}) image.virtual_size = image.size;
    if (version < Version{1, 43} && image.repo_tags.empty() && image.repo_digests.empty()) {
      image.repo_tags = {"<none>:<none>"};
      image.repo_digests = {"<none>@<none>"};
    }
  }
}

/// "linux/arm64/v8" out of JSON, which newer requests take.
std::string parse_platform(const std::string& text) {
  oci::Platform platform;
  try {
    platform = json::from_json<oci::Platform>(text);
  } catch (const Error& error) {
    throw invalid(cat("failed to parse platform: ", error.text()));
  }
  if (platform.os.empty() && platform.architecture.empty()) {
    throw invalid("optional platform fields provided, but OS and Architecture are missing");
  }
  if (platform.os.empty() || platform.architecture.empty()) {
    throw invalid("both OS and Architecture must be provided");
  }
  return cat(platform.os, "/", platform.architecture, platform.variant.empty() ? "" : "/", platform.variant);
}

/// "" when there is none.
std::string platform_of(const Request& request, Version since) {
  const std::string text = request.text("platform");
  return text.empty() || request.version < since ? "" : parse_platform(text);
}

std::vector<std::string> platforms_of(const Request& request, Version since, std::string_view parameter) {
  std::vector<std::string> platforms;
  if (request.version < since) return platforms;
  for (const std::string& text : request.query.all(parameter)) {
    if (!text.empty()) platforms.push_back(parse_platform(text));
  }
  return platforms;
}

class ImageRoutes {
 public:
  ImageRoutes(engine::Images& images, engine::Registry& registry, EventLoop& loop)
      : images_(images), registry_(registry), loop_(loop) {}

  Task<http::Response> list(Request request) {
    engine::ImageListQuery query{.all = request.flag("all"),
                                 .digests = request.flag("digests"),
                                 .shared_size = request.flag("shared-size"),
                                 .manifests = request.version >= Version{1, 47} && request.flag("manifests"),
                                 .filters = engine::Filters::parse(request.text("filters"))};
    const std::string old_filter = request.text("filter");
    if (request.version < Version{1, 41} && !old_filter.empty()) query.filters.add("reference", old_filter);
    std::vector<image::ImageSummary> images = co_await images_.list(std::move(query));
    show_as_before(images, request.version);
    co_return json_response(images);
  }

  Task<http::Response> inspect(Request request) {
    engine::Images::InspectQuery query{.name = request.param("name"),
                                       .platform = platform_of(request, Version{1, 49}),
                                       .manifests = request.version >= Version{1, 48} && request.flag("manifests")};
    if (query.manifests && !query.platform.empty()) {
      throw invalid("conflicting options: manifests and platform options cannot both be set");
    }
    const image::ImageInspect image = co_await images_.inspect(std::move(query));
    co_return json_response(image);
  }

  Task<http::Response> history(Request request) {
    const std::vector<image::HistoryEntry> entries =
        co_await images_.history(request.param("name"), platform_of(request, Version{1, 48}));
    co_return json_response(entries);
  }

  Task<http::Response> tag(Request request) {
    co_await images_.tag(request.param("name"), request.text("repo"), request.text("tag"));
    co_return http::Response::empty(201);
  }

  Task<http::Response> remove(Request request) {
    if (trim(request.param("name")).empty()) throw invalid("image name cannot be blank");
    engine::Images::RemoveQuery query{.name = request.param("name"),
                                      .force = request.flag("force"),
                                      .prune = !request.flag("noprune"),
                                      .platforms = platforms_of(request, Version{1, 50}, "platforms")};
    const std::vector<image::DeleteResponse> deleted = co_await images_.remove(std::move(query));
    co_return json_response(deleted);
  }

  Task<http::Response> prune(Request request) {
    const image::PruneReport report = co_await images_.prune(engine::Filters::parse(request.text("filters")));
    co_return json_response(report);
  }

  /// Pull or import, as Docker's clients ask for them.
  Task<void> create(Request request, http::ResponseStream& out) {
    if (!request.text("fromImage").empty()) {
      co_await pull(std::move(request), out);
      co_return;
    }
    const std::string source = request.text("fromSrc");
    engine::ImportRequest wanted{.reference = request.text("repo"),
                                 .message = request.text("message"),
                                 .platform = request.text("platform"),
                                 .changes = request.query.all("changes")};
    if (const std::string tag = request.text("tag"); !tag.empty() && !wanted.reference.empty()) {
      wanted.reference += cat(tag.contains(':') ? '@' : ':', tag);
    }
    Transfer transfer{loop_, request, out};
    if (source != "-") {
      co_await transfer.open(Transfer::Flow::progress, "application/json");
      Task<void> work = registry_.import(transfer.download(), source, std::move(wanted));
      co_await run_reporting(transfer, std::move(work), out, Failure::own_status);
      co_return;
    }
    co_await transfer.open(Transfer::Flow::upload, "application/json");
    Task<void> work = images_.import(transfer.upload(), transfer.download(), std::move(wanted));
    co_await run_reporting(transfer, std::move(work), out, Failure::own_status);
  }

  Task<void> push(Request request, http::ResponseStream& out) {
    engine::PushQuery query{.name = request.param("name"),
                            .tag = request.text("tag"),
                            .platform = platform_of(request, Version{1, 46}),
                            .compression = request.text("compression"),
                            .all_platforms = request.flag("allPlatforms"),
                            .credentials = registry_auth(request)};
    Transfer transfer{loop_, request, out};
    co_await transfer.open(Transfer::Flow::progress, "application/json");
    Task<void> work = registry_.push(transfer.download(), std::move(query));
    co_await run_reporting(transfer, std::move(work), out, Failure::own_status);
  }

  Task<http::Response> distribution(Request request) {
    const engine::DistributionInspect view =
        co_await registry_.distribution(request.param("name"), registry_auth(request));
    co_return json_response(view);
  }

  Task<http::Response> search(Request request) {
    engine::SearchQuery query{.term = request.text("term"),
                              .filters = engine::Filters::parse(request.text("filters")),
                              .credentials = registry_auth(request)};
    if (const std::string limit = request.text("limit"); !limit.empty()) {
      const auto count = parse_number<int>(limit);
      if (!count) throw invalid(cat("strconv.Atoi: parsing ", quoted(limit), ": invalid syntax"));
      if (*count != 0) query.limit = *count;
      if (query.limit < 1 || query.limit > 100) {
        throw invalid(cat("limit ", query.limit, " is outside the range of [1, 100]"));
      }
    }
    const std::vector<engine::SearchResult> found = co_await registry_.search(std::move(query));
    co_return json_response(found);
  }

  Task<void> load(Request request, http::ResponseStream& out) {
    std::vector<std::string> platforms = platforms_of(request, Version{1, 48}, "platform");
    Transfer transfer{loop_, request, out};
    co_await transfer.open(Transfer::Flow::upload, "application/json");
    Task<void> work =
        images_.load(transfer.upload(), transfer.download(), request.flag("quiet", true), std::move(platforms));
    co_await run_reporting(transfer, std::move(work), out, Failure::always_200);
    if (!out.begun()) co_await out.begin(200, "application/json");
  }

  /// Berth's own: verifies the store. Problems don't change the status: the summary, the last line, counts them.
  Task<void> check(Request request, http::ResponseStream& out) {
    Transfer transfer{loop_, request, out};
    co_await transfer.open(Transfer::Flow::progress, "application/json");
    Task<void> work = images_.check(request.flag("repair"), transfer.download());
    co_await run_reporting(transfer, std::move(work), out, Failure::own_status);
  }

  Task<void> save_one(Request request, http::ResponseStream& out) {
    std::vector<std::string> names{request.param("name")};
    co_await save(std::move(names), std::move(request), out);
  }
  Task<void> save_several(Request request, http::ResponseStream& out) {
    std::vector<std::string> names = request.query.all("names");
    co_await save(std::move(names), std::move(request), out);
  }

 private:
  Task<void> pull(Request request, http::ResponseStream& out) {
    engine::PullQuery query{.name = request.text("fromImage"),
                            .tag = request.text("tag"),
                            .platform = request.text("platform"),
                            .credentials = registry_auth(request)};
    Transfer transfer{loop_, request, out};
    co_await transfer.open(Transfer::Flow::progress, "application/json");
    Task<void> work = registry_.pull(transfer.download(), std::move(query));
    co_await run_reporting(transfer, std::move(work), out, Failure::own_status);
  }

  Task<void> save(std::vector<std::string> names, Request request, http::ResponseStream& out) {
    engine::Images::SaveQuery query{.names = std::move(names),
                                    .platforms = platforms_of(request, Version{1, 48}, "platform")};
    co_await images_.check_saveable(query);
    Transfer transfer{loop_, request, out};
    co_await transfer.open(Transfer::Flow::download, "application/x-tar");
    co_await transfer.run(images_.save(std::move(query), transfer.download()));
  }

  enum class Failure { own_status, always_200 };

  /// A failure after the first progress line becomes the last line. Docker's load never answers otherwise.
  static Task<void> run_reporting(Transfer& transfer, Task<void> work, http::ResponseStream& out,
                                  Failure before_output) {
    std::string failure;
    try {
      co_await transfer.run(std::move(work));
    } catch (const std::exception& error) {
      if (!out.begun() && before_output == Failure::own_status) throw;
      failure = error.what();
    }
    if (failure.empty()) co_return;
    if (!out.begun()) co_await out.begin(200, "application/json");
    co_await out.write(progress_error(failure));
  }

  engine::Images& images_;
  engine::Registry& registry_;
  EventLoop& loop_;
};

}  // namespace

void add_image_routes(Router& router, engine::Images& images, engine::Registry& registry, EventLoop& loop) {
  const auto routes = std::make_shared<ImageRoutes>(images, registry, loop);
  const auto add = [&](std::string method, std::string path, Task<http::Response> (ImageRoutes::*call)(Request)) {
    router.add(std::move(method), std::move(path),
               [routes, call](Request r) { return ((*routes).*call)(std::move(r)); });
  };
  const auto add_stream = [&](std::string method, std::string path,
                              Task<void> (ImageRoutes::*call)(Request, http::ResponseStream&)) {
    router.add_stream(std::move(method), std::move(path), [routes, call](Request r, http::ResponseStream& out) {
      return ((*routes).*call)(std::move(r), out);
    });
  };
  add("GET", "/images/json", &ImageRoutes::list);
  add("GET", "/images/search", &ImageRoutes::search);
  add("POST", "/images/prune", &ImageRoutes::prune);
  add_stream("POST", "/images/create", &ImageRoutes::create);
  add_stream("POST", "/images/load", &ImageRoutes::load);
  add_stream("POST", "/system/fsck", &ImageRoutes::check);
  add_stream("GET", "/images/get", &ImageRoutes::save_several);
  add("GET", "/images/{name:.*}/json", &ImageRoutes::inspect);
  add("GET", "/images/{name:.*}/history", &ImageRoutes::history);
  add_stream("GET", "/images/{name:.*}/get", &ImageRoutes::save_one);
  add_stream("POST", "/images/{name:.*}/push", &ImageRoutes::push);
  add("POST", "/images/{name:.*}/tag", &ImageRoutes::tag);
  add("GET", "/distribution/{name:.*}/json", &ImageRoutes::distribution);
  add("DELETE", "/images/{name:.*}", &ImageRoutes::remove);
}

}  // namespace berth::api
