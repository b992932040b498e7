#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/async/async.h"
#include "base/core/log.h"
#include "base/http/handler.h"
#include "base/http/server.h"
#include "registry/server/catalog.h"

namespace berth::registry::server {

/// <root>/control.sock, in a folder that is its owner's alone: what another process asks of the registry that serves
/// it. Two that write to one database wait for each other; who asks the one that is there already doesn't.
class Control final : public http::Handler {
 public:
  using Collect = std::function<Task<Catalog::Collected>(Catalog::CollectRules)>;

  Control(EventLoop& loop, const std::string& root, Collect collect, const Logger& log);
  /// POST /collect?grace=SECONDS&untagged=BOOL answers when it is done, with Collected.
  Task<void> handle(http::Request request, http::ResponseStream& out) override;
  Task<void> close() { return http_.close(); }

 private:
  Collect collect_;
  http::Server http_;
};

/// Asks whoever serves `root` to collect, and waits for it; nullopt when nobody does. Blocks. Throws system with what
/// went wrong there.
std::optional<Catalog::Collected> ask_to_collect(const std::string& root, const Catalog::CollectRules& rules);

}  // namespace berth::registry::server
