#include <array>

#include "api/server/routes.h"

namespace berth::api {

namespace {

struct Missing {
  const char *method, *path;
};

/// Docker's API as far as Berth doesn't have it yet; docs/STATUS.md says the same for readers.
constexpr std::array kMissing = std::to_array<Missing>({
    {"POST", "/build"},
    {"POST", "/build/cancel"},
    {"PUT", "/volumes/{name}"},
    {"POST", "/networks/{id}/connect"},
    {"POST", "/networks/{id}/disconnect"},
    {"GET", "/plugins"},
    {"GET", "/plugins/privileges"},
    {"POST", "/plugins/pull"},
    {"GET", "/plugins/{name:.*}/json"},
    {"DELETE", "/plugins/{name:.*}"},
    {"POST", "/plugins/{name:.*}/enable"},
    {"POST", "/plugins/{name:.*}/disable"},
    {"POST", "/plugins/{name:.*}/upgrade"},
    {"POST", "/plugins/create"},
    {"POST", "/plugins/{name:.*}/push"},
    {"POST", "/plugins/{name:.*}/set"},
    {"GET", "/nodes"},
    {"GET", "/nodes/{id}"},
    {"DELETE", "/nodes/{id}"},
    {"POST", "/nodes/{id}/update"},
    {"GET", "/swarm"},
    {"POST", "/swarm/init"},
    {"POST", "/swarm/join"},
    {"POST", "/swarm/leave"},
    {"POST", "/swarm/update"},
    {"GET", "/swarm/unlockkey"},
    {"POST", "/swarm/unlock"},
    {"GET", "/services"},
    {"POST", "/services/create"},
    {"GET", "/services/{id}"},
    {"DELETE", "/services/{id}"},
    {"POST", "/services/{id}/update"},
    {"GET", "/services/{id}/logs"},
    {"GET", "/tasks"},
    {"GET", "/tasks/{id}"},
    {"GET", "/tasks/{id}/logs"},
    {"GET", "/secrets"},
    {"POST", "/secrets/create"},
    {"GET", "/secrets/{id}"},
    {"DELETE", "/secrets/{id}"},
    {"POST", "/secrets/{id}/update"},
    {"GET", "/configs"},
    {"POST", "/configs/create"},
    {"GET", "/configs/{id}"},
    {"DELETE", "/configs/{id}"},
    {"POST", "/configs/{id}/update"},
    {"POST", "/session"},
    {"POST", "/grpc"},
});

}  // namespace

void add_missing_routes(Router& router) {
  for (const Missing& missing : kMissing) router.add_missing(missing.method, missing.path);
}

}  // namespace berth::api
