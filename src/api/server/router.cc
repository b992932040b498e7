#include "api/server/router.h"

#include <exception>

#include "api/server/errors.h"
#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::api {

namespace {

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments;
  path.remove_prefix(1);
  for (;;) {
    const std::size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

bool is_version(std::string_view segment) {
  return segment.size() > 1 && segment[0] == 'v' &&
         segment.substr(1).find_first_not_of("0123456789.") == std::string_view::npos;
}

/// Compares number by number, as Docker does: 1.100 is newer than 1.51.
Version parse_version(std::string_view text) {
  const std::size_t dot = std::min(text.find('.'), text.size());
  const std::string_view minor = text.substr(std::min(dot + 1, text.size()));
  return {.major = parse_number<int>(text.substr(0, dot)).value_or(0),
          .minor = parse_number<int>(minor.substr(0, minor.find('.'))).value_or(0)};
}

Version check_version(std::string_view text) {
  const Version version = parse_version(text);
  if (version < kOldestVersion) {
    throw invalid(cat("client version ", text, " is too old. Minimum supported API version is ", kOldestVersion.major,
                      ".", kOldestVersion.minor, ", please upgrade your client to a newer version"));
  }
  if (version > kNewestVersion) {
    throw invalid(cat("client version ", text, " is too new. Maximum supported API version is ", kNewestVersion.major,
                      ".", kNewestVersion.minor));
  }
  return version;
}

/// As dockerd's router answers a path with empty elements, which older clients make of an empty name.
http::Response redirect_to_clean(std::string_view path, std::string_view query) {
  std::string clean;
  for (const char c : path) {
    if (c != '/' || !clean.ends_with('/')) clean += c;
  }
  if (!query.empty()) clean += cat('?', query);
  http::Response response = http::Response::empty(301);
  response.headers.push_back({"Location", std::move(clean)});
  return response;
}

using Params = std::vector<std::pair<std::string, std::string>>;

bool is_param(std::string_view pattern) { return pattern.starts_with('{'); }
std::string_view param_name(std::string_view pattern) { return pattern.substr(1, pattern.find_first_of(":}") - 1); }

bool match(const std::vector<std::string>& pattern, const std::vector<std::string_view>& path, Params& params) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (at >= path.size()) return false;
    std::size_t take = 1;
    if (pattern[i].ends_with(":.*}")) {
      const std::size_t behind = pattern.size() - i - 1;
      if (path.size() - at <= behind) return false;
      take = path.size() - at - behind;
    }
    if (!is_param(pattern[i])) {
      if (pattern[i] != path[at]) return false;
    } else {
      const std::string_view last = path[at + take - 1];
      const std::string_view value{path[at].data(), last.data() + last.size()};
      if (value.empty()) return false;
      params.emplace_back(param_name(pattern[i]), value);
    }
    at += take;
  }
  return at == path.size();
}

}  // namespace

void Router::add(std::string method, std::string path, Answer handler) {
  add_route(std::move(method), std::move(path), std::move(handler), nullptr);
}

void Router::add_stream(std::string method, std::string path, Stream handler) {
  add_route(std::move(method), std::move(path), nullptr, std::move(handler));
}

void Router::add_missing(std::string method, std::string path) {
  add_route(std::move(method), std::move(path), nullptr, nullptr);
}

void Router::add_route(std::string method, std::string path, Answer answer, Stream stream) {
  Route route{std::move(method), std::move(path), {}, std::move(answer), std::move(stream)};
  for (const std::string_view segment : segments_of(route.path)) route.segments.emplace_back(segment);
  routes_.push_back(std::move(route));
}

std::vector<RouteInfo> Router::routes() const {
  std::vector<RouteInfo> out;
  for (const Route& route : routes_) {
    RouteInfo info{route.method, route.path, route.answer || route.stream};
    if (const std::size_t greedy = info.path.find(":.*}"); greedy != std::string::npos) info.path.erase(greedy, 3);
    out.push_back(std::move(info));
  }
  return out;
}

const Router::Route* Router::find(Request& request) const {
  const std::vector<std::string_view> path = segments_of(request.path);
  for (const Route& route : routes_) {
    if (route.method != request.method) continue;
    request.params.clear();
    if (match(route.segments, path, request.params)) return &route;
  }
  return nullptr;
}

Task<void> Router::dispatch(http::Request raw, http::ResponseStream& out) {
  Request request{.method = std::move(raw.method), .path = std::move(raw.path), .version = kNewestVersion};
  const std::string asked = request.path;
  logger_.debug("Calling ", request.method, " ", request.path);
  std::string version;
  const std::string_view first = segments_of(request.path).front();
  if (is_version(first) && request.path.size() > first.size() + 1) {
    version = first.substr(1);
    request.path.erase(0, version.size() + 2);
  }
  const Route* route = find(request);
  if (route == nullptr && request.path.contains("//")) {
    co_await out.send(redirect_to_clean(asked, raw.query_text));
    co_return;
  }
  if (route == nullptr) throw not_found("page not found");
  if (!version.empty()) request.version = check_version(version);
  if (!route->answer && !route->stream) {
    // The stock client passes over what is "not supported" when `inspect` tries one kind of object after the other.
    throw not_implemented(cat(request.method, " ", request.path, " is not supported: not implemented by Berth yet"));
  }
  request.query = http::Query::parse(raw.query_text);
  request.headers = std::move(raw.headers);
  request.body = raw.body;
  if (route->stream) {
    co_await route->stream(std::move(request), out);
  } else {
    http::Response response = co_await route->answer(std::move(request));
    co_await out.send(std::move(response));
  }
}

Task<void> Router::handle(http::Request request, http::ResponseStream& out) {
  const std::string what = cat(request.method, " ", request.path);
  std::optional<Error> failure;
  try {
    co_await dispatch(std::move(request), out);
  } catch (const Error& error) {
    failure = error;
  } catch (const std::bad_alloc&) {
    failure = system_error("out of memory");
  } catch (const std::exception& error) {
    failure = system_error(error.what());
  }
  if (!failure) co_return;
  if (out.begun()) throw *failure;  // too late for an answer: the connection is cut
  http::Response response = error_response(*failure);
  if (response.status >= 500 && response.status != 501 && failure->kind() != ErrorKind::cancelled) {
    logger_.error("Handler for ", what, " returned error: ", failure->text());
  }
  co_await out.send(std::move(response));
}

}  // namespace berth::api
