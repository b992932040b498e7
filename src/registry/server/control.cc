#include "registry/server/control.h"

#include <sys/socket.h>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/http_client/reply.h"
#include "base/json/json.h"
#include "base/sys/socket.h"

namespace berth::registry::server {

namespace {

constexpr std::size_t kMostAnswerBytes = 64 << 10;

std::string socket_of(const std::string& root) { return cat(root, "/control.sock"); }

Catalog::CollectRules rules_of(const http::Request& request) {
  const http::Query query = http::Query::parse(request.query_text);
  const auto grace = parse_number<std::int64_t>(query.text("grace"));
  const std::string untagged = query.text("untagged");
  if (!grace || (untagged != "0" && untagged != "1")) throw invalid("grace=SECONDS and untagged=0 or 1 are wanted");
  return {.grace_seconds = *grace, .untagged_manifests = untagged == "1"};
}

}  // namespace

Control::Control(EventLoop& loop, const std::string& root, Collect collect, const Logger& log)
    : collect_(std::move(collect)), http_(loop, *this, {}, log) {
  try {
    http_.listen_unix(socket_of(root), "");
  } catch (const Error& error) {
    log.warn("registry: `berth registry gc` will collect beside this process: ", error.text());
  }
}

Task<void> Control::handle(http::Request request, http::ResponseStream& out) {
  http::Response response = http::Response::empty(404);
  if (request.method == "POST" && request.path == "/collect") {
    try {
      const Catalog::CollectRules rules = rules_of(request);
      const Catalog::Collected collected = co_await collect_(rules);
      response = http::Response::json(200, json::to_json(collected));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) throw;
      response = {
          .status = error.kind() == ErrorKind::invalid ? 400 : 500, .content_type = "text/plain", .body = error.text()};
    }
  }
  co_await out.send(std::move(response));
}

std::optional<Catalog::Collected> ask_to_collect(const std::string& root, const Catalog::CollectRules& rules) {
  std::optional<sys::UniqueFd> socket = sys::connect_unix(socket_of(root), SOCK_STREAM);
  if (!socket) return std::nullopt;
  std::unique_ptr<http_client::Connection> connection = http_client::open_plain(std::move(*socket));
  connection->write(cat("POST /collect?grace=", rules.grace_seconds, "&untagged=", rules.untagged_manifests ? 1 : 0,
                        " HTTP/1.1\r\nHost: registry\r\nContent-Length: 0\r\n\r\n"));
  try {
    http_client::Reply reply{std::move(connection)};
    reply.receive_head(false);
    const std::string text = reply.read_all(kMostAnswerBytes);
    if (reply.status != 200) throw system_error(text);
    return json::from_json<Catalog::Collected>(text);
  } catch (Error& error) {
    error.during("the registry that serves the folder");
    throw;
  }
}

}  // namespace berth::registry::server
