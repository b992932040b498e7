#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async/async.h"
#include "base/core/log.h"
#include "base/http/handler.h"
#include "base/http/server.h"
#include "registry/server/access.h"
#include "registry/server/catalog.h"
#include "registry/server/proxy.h"

/// An OCI registry: distribution-spec v1.1 over content-addressed files and SQLite.
namespace berth::registry::server {

struct Options {
  std::string root;  ///< holds everything: registry.db, blobs/, uploads/
  Access::Rules access;
  bool deletes = true;                      ///< DELETE of tags, manifests and blobs
  bool immutable_tags = false;              ///< a tag, once given, stands for one manifest
  std::int64_t repository_quota_bytes = 0;  ///< 0: none
  bool access_log = false;
  std::chrono::seconds collect_every{3600};  ///< 0: only when asked; but uploads expire
  Catalog::CollectRules collect;
  Proxy::Rules proxy;      ///< a cache of another registry, where it names one
  std::string neighbours;  ///< folder for the socket that engines on this machine use; "": none
};

/// Use:
///
///   Server server{loop, pool, options, logger};
///   server.http().listen_tcp("127.0.0.1", 5000, {});
///   ...
///   co_await server.close();
class Server final : public http::Handler {
 public:
  /// Opens or makes the store. Blocks. Throws system, invalid.
  Server(EventLoop& loop, async::BlockingPool& pool, Options options, const Logger& logger);
  ~Server() override;

  http::Server& http();
  /// Runs until close(): the hourly collection.
  Task<void> maintain();
  /// What no manifest refers to; and uploads that nobody has gone on with for a day.
  Task<Catalog::Collected> collect();
  /// The same in the background, told in the log. Behind one that runs it begins anew.
  void collect_soon();
  /// Takes no more requests, lets those under way end for some seconds, and cuts what is left.
  Task<void> close();

  Task<void> handle(http::Request request, http::ResponseStream& out) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::registry::server
