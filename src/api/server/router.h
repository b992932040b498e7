#pragma once

#include <functional>
#include <string>
#include <vector>

#include "api/server/request.h"
#include "base/core/log.h"
#include "base/http/handler.h"

namespace berth::api {

struct RouteInfo {
  std::string method, path;  ///< path as the API file spells it: "/containers/{id}/json"
  bool implemented = true;
};

/// Finds the route of a request, with or without a version prefix (/v1.24 to /v1.51), and turns what handlers throw
/// into answers. Routes are tried in the order in which they were added.
class Router final : public http::Handler {
 public:
  using Answer = std::function<Task<http::Response>(Request)>;
  using Stream = std::function<Task<void>(Request, http::ResponseStream&)>;

  explicit Router(const Logger& logger) : logger_(logger) {}

  /// `path` consists of words and of {name}, which matches one segment; {name:.*} matches several.
  void add(std::string method, std::string path, Answer handler);
  void add_stream(std::string method, std::string path, Stream handler);
  /// A part of Docker's API that Berth doesn't have yet: 501.
  void add_missing(std::string method, std::string path);

  std::vector<RouteInfo> routes() const;
  Task<void> handle(http::Request request, http::ResponseStream& out) override;

 private:
  struct Route {
    std::string method, path;
    std::vector<std::string> segments;
    Answer answer;
    Stream stream;
  };

  void add_route(std::string method, std::string path, Answer answer, Stream stream);
  const Route* find(Request& request) const;
  Task<void> dispatch(http::Request request, http::ResponseStream& out);

  const Logger& logger_;
  std::vector<Route> routes_;
};

}  // namespace berth::api
