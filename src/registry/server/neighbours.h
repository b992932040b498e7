#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/async/async.h"
#include "base/core/log.h"
#include "base/http/handler.h"
#include "base/http/server.h"
#include "registry/server/access.h"
#include "registry/server/store.h"

namespace berth::registry::server {

/// For engines on this machine: a socket where they get blobs, and fill uploads, as descriptors of the files, by the
/// protocol of client/neighbour.h. Who may connect (root, our own user) could as well write to the folder; what may be
/// read and written is decided as over HTTP, by the same logins and rights, and every digest is verified.
class Neighbours final : public http::Handler {
 public:
  /// How long an engine may be silent. What compresses well takes its time to fill a stretch.
  struct Patience {
    std::chrono::milliseconds go{15'000}, mark{300'000};
  };
  /// What came of a request, in the numbers that it would have had over HTTP.
  struct Passed {
    int status = 0;
    std::uint64_t bytes = 0;
  };
  using Note = std::function<void(const http::Request&, const std::string& user, Passed)>;

  Neighbours(EventLoop& loop, async::BlockingPool& pool, Access& access, Store& store, Patience patience, Note note,
             const Logger& log);

  /// At <folder>/<name>.sock. Throws system, conflict.
  void listen(const std::string& folder, const std::string& name);
  Task<void> handle(http::Request request, http::ResponseStream& out) override;
  Task<void> close() { return http_.close(); }

  struct Counts {
    std::uint64_t given = 0, given_bytes = 0, taken = 0, taken_bytes = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  Task<Passed> dispatch(const http::Request& request, const Target& target, http::ResponseStream& out);
  Task<Passed> give(const Target& target, http::ResponseStream& out);
  Task<Passed> take(const http::Request& request, const Target& target, http::ResponseStream& out);
  Task<Passed> absorb(sys::FdRef line, std::unique_ptr<Uploads::Hold> hold);
  Task<std::optional<sys::UniqueFd>> hand_over(sys::FdRef file, http::ResponseStream& out);

  async::BlockingPool& pool_;
  Access& access_;
  Store& store_;
  const Patience patience_;
  const Note note_;
  Counts counts_;
  http::Server http_;
};

/// What the registry of `root` is called among those of this machine: 32 hexadecimal digits, the same each time.
std::string neighbour_name(const std::string& root);

}  // namespace berth::registry::server
