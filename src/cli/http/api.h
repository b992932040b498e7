#pragma once

#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/error.h"
#include "base/core/stream.h"
#include "base/http_client/escape.h"
#include "base/http_client/reply.h"
#include "cli/http/endpoint.h"

/// The daemon's HTTP API as a client sees it: HTTP/1.1 with keep-alive, chunked bodies both ways, and upgraded
/// connections. Paths carry no version: the daemon answers in its newest.
namespace berth::cli {

using http_client::Connection;
using http_client::Reply;

using http_client::escape_url;
/// The same, but for what image names hold and paths may: "/", ":", "@".
std::string escape_path(std::string_view text);

/// "?all=1&filters=%7B…": nothing when nothing was added.
class Query {
 public:
  Query& add(std::string_view name, std::string_view value);
  Query& add_if(bool condition, std::string_view name, std::string_view value = "1");
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

struct Request {
  std::string_view method = "GET";
  std::string path;                 ///< with the query
  std::optional<std::string> json;  ///< the body
  ByteSource* upload = nullptr;     ///< or a body of unknown length
  bool upgrade = false;             ///< asks for a raw stream both ways
  std::vector<std::pair<std::string, std::string>> headers;
};

class Api {
 public:
  explicit Api(Endpoint endpoint) : endpoint_(std::move(endpoint)) {}

  /// Sends and waits for the head. A status of 400 or more is thrown as the Error it stands for, with the text
  /// "Error response from daemon: …".
  Reply open(const Request& request);
  /// open() in two halves, so that several requests can be under way at once. Each has a connection of its own.
  Reply send(const Request& request);
  void receive_head(Reply& reply, const Request& request);

  /// The whole body as it came; the connection is kept for the next call.
  std::string text(const Request& request);
  /// The whole body as JSON (null when there is none).
  boost::json::value call(const Request& request);
  boost::json::value get(std::string path) { return call({.path = std::move(path)}); }
  boost::json::value post(std::string path, std::optional<std::string> json = {}) {
    return call({.method = "POST", .path = std::move(path), .json = std::move(json)});
  }
  boost::json::value remove(std::string path) { return call({.method = "DELETE", .path = std::move(path)}); }

  const Endpoint& endpoint() const { return endpoint_; }

 private:
  std::unique_ptr<Connection> take_connection(bool& reused);

  Endpoint endpoint_;
  std::unique_ptr<Connection> idle_;
};

}  // namespace berth::cli
