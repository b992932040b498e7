#include "registry/server/list_routes.h"

#include <algorithm>
#include <limits>

#include "base/core/text.h"
#include "base/http_client/escape.h"
#include "base/json/json.h"
#include "registry/server/errors.h"
#include "registry/server/names.h"
#include "registry/server/referrer_view.h"

namespace berth::registry::server {

namespace {

constexpr std::int64_t kMostRepositories = 1000, kMostReferrers = 1000;  ///< a page when nobody asks for less

struct Wanted {
  std::int64_t count = std::numeric_limits<std::int64_t>::max();
  std::string after;
};

Wanted wanted_page(const http::Request& request) {
  const http::Query query = http::Query::parse(request.query_text);
  Wanted wanted;
  if (const auto text = query.get("n")) {
    const auto count = parse_number<std::int64_t>(*text);
    if (!count || *count < 0) throw Refusal{400, "PAGINATION_NUMBER_INVALID", "invalid number of results requested"};
    wanted.count = *count;
  }
  wanted.after = query.text("last");
  return wanted;
}

void add_link(http::Response& response, std::string_view path, const Page& page, const Wanted& wanted) {
  if (!page.more || page.names.empty()) return;
  response.headers.push_back(
      {"Link", cat("<", path, "?n=", wanted.count, "&last=", page.names.back(), ">; rel=\"next\"")});
}

struct TagList {
  std::string name;
  std::vector<std::string> tags;
  static void describe(auto& self, auto&& field) {
    field("name", self.name);
    field("tags", self.tags);
  }
};

struct RepositoryList {
  std::vector<std::string> repositories;
  static void describe(auto& self, auto&& field) { field("repositories", self.repositories); }
};

struct ReferrerIndex {
  int schema_version = 2;
  std::string media_type = "application/vnd.oci.image.index.v1+json";
  std::vector<ReferrerView> manifests;
  static void describe(auto& self, auto&& field) {
    field("schemaVersion", self.schema_version);
    field("mediaType", self.media_type);
    field("manifests", self.manifests);
  }
};

std::vector<ReferrerView> views_of(std::vector<Referrer> referrers) {
  std::vector<ReferrerView> views;
  for (Referrer& referrer : referrers) {
    std::string& annotations = referrer.annotations_json;
    views.push_back({.media_type = std::move(referrer.media_type),
                     .digest = std::move(referrer.digest),
                     .artifact_type = std::move(referrer.artifact_type),
                     .size = referrer.size,
                     .annotations = {annotations.empty() ? "{}" : std::move(annotations)}});
  }
  return views;
}

/// Of those that an origin has, by digest.
ReferrersPage page_of(const std::vector<Referrer>& all, const ReferrersWish& wish) {
  ReferrersPage page;
  for (auto at = std::ranges::upper_bound(all, wish.after, {}, &Referrer::digest); at != all.end(); ++at) {
    if (!wish.artifact_type.empty() && at->artifact_type != wish.artifact_type) continue;
    if (!page.add(*at, wish)) break;
  }
  return page;
}

Page visible_repositories(const Store& store, const Caller& caller, const Wanted& wanted) {
  if (caller.sees_all()) return store.catalog.repositories(wanted.count, wanted.after);
  Page seen;
  for (std::string after = wanted.after;;) {
    const Page all = store.catalog.repositories(kMostRepositories, after);
    for (const std::string& name : all.names) {
      if (!caller.sees(name)) continue;
      if (static_cast<std::int64_t>(seen.names.size()) == wanted.count) {
        seen.more = true;
        return seen;
      }
      seen.names.push_back(name);
    }
    if (!all.more) return seen;
    after = all.names.back();
  }
}

Page page_of(std::vector<std::string> names, const Wanted& wanted) {
  std::ranges::sort(names);
  Page page;
  for (auto at = std::ranges::upper_bound(names, wanted.after); at != names.end(); ++at) {
    page.more = static_cast<std::int64_t>(page.names.size()) == wanted.count;
    if (page.more) break;
    page.names.push_back(std::move(*at));
  }
  return page;
}

}  // namespace

Task<void> list_tags(Store& store, const std::string& repository, const http::Request& request,
                     http::ResponseStream& out) {
  const Wanted wanted = wanted_page(request);
  Page page;
  if (store.proxy != nullptr) {
    page = page_of(co_await store.proxy->tags(repository), wanted);
  } else {
    if (!store.catalog.has_repository(repository)) throw name_unknown();
    page = store.catalog.tags(repository, wanted.count, wanted.after);
  }
  http::Response response = http::Response::json(200, json::to_json(TagList{.name = repository, .tags = page.names}));
  add_link(response, cat("/v2/", repository, "/tags/list"), page, wanted);
  co_await out.send(std::move(response));
}

Task<void> list_repositories(Store& store, const Caller& caller, const http::Request& request,
                             http::ResponseStream& out) {
  Wanted wanted = wanted_page(request);
  wanted.count = std::min(wanted.count, kMostRepositories);
  const Page page = visible_repositories(store, caller, wanted);
  http::Response response = http::Response::json(200, json::to_json(RepositoryList{.repositories = page.names}));
  add_link(response, "/v2/_catalog", page, wanted);
  co_await out.send(std::move(response));
}

Task<void> list_referrers(Store& store, const Target& target, const http::Request& request, http::ResponseStream& out) {
  if (!is_digest(target.reference)) throw Refusal{400, "DIGEST_INVALID", "invalid digest"};
  const Wanted wanted = wanted_page(request);
  const std::string type = http::Query::parse(request.query_text).text("artifactType");
  const ReferrersWish wish{
      .artifact_type = type, .after = wanted.after, .count = std::min(wanted.count, kMostReferrers)};
  std::shared_ptr<const std::vector<Referrer>> origins;
  if (store.proxy != nullptr) origins = co_await store.proxy->referrers(target.repository, target.reference);
  ReferrersPage page =
      origins ? page_of(*origins, wish) : store.catalog.referrers(target.repository, target.reference, wish);
  const std::string last = page.entries.empty() ? "" : page.entries.back().digest;
  const ReferrerIndex index{.manifests = views_of(std::move(page.entries))};
  http::Response response{.status = 200, .content_type = index.media_type, .body = json::to_json(index)};
  if (!type.empty()) response.headers.push_back({"OCI-Filters-Applied", "artifactType"});
  if (page.more && !last.empty()) {
    const std::string filter = type.empty() ? "" : cat("&artifactType=", http_client::escape_url(type));
    response.headers.push_back({"Link", cat("</v2/", target.repository, "/referrers/", target.reference,
                                            "?n=", wish.count, "&last=", last, filter, ">; rel=\"next\"")});
  }
  co_await out.send(std::move(response));
}

}  // namespace berth::registry::server
