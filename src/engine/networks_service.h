#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/async/async.h"
#include "base/core/log.h"
#include "base/db/database.h"
#include "engine/networks.h"
#include "network/network.h"

namespace berth::engine {

/// What the networks need to know of containers, and tell about themselves. Called on the event loop.
class NetworkUsers {
 public:
  struct Attached {
    std::string container_name;  ///< without the slash
    network::Endpoint endpoint;
  };
  virtual ~NetworkUsers() = default;
  /// The endpoints of all running containers.
  virtual std::vector<Attached> attached() const = 0;
  /// `action`: "create" or "destroy", for the events.
  virtual void network_changed(std::string_view action, const network::NetworkRecord& record) = 0;
};

/// The records of user-defined networks in the state database (table `networks`), which it makes if it is not there.
/// For network::open_networks(). A record that can't be read is left out and reported.
std::vector<network::NetworkRecord> load_network_records(db::Database& database, const Logger& log);

/// Docker's checks of a request, and the record it asks for. Throws invalid, forbidden, not_found, not_implemented.
network::NetworkRecord make_network_record(const NetworkCreateRequest& request);

/// engine::Networks over the network room. A network is stored after it is made and before the answer; one that was
/// made but not stored (the daemon died) is deleted at the next start.
class NetworksService final : public Networks {
 public:
  NetworksService(network::Networks& networks, db::Database& database, async::BlockingPool& pool, NetworkUsers& users)
      : networks_(networks), database_(database), pool_(pool), users_(users) {}

  Task<std::vector<NetworkView>> list(Filters filters) override;
  Task<NetworkView> inspect(std::string name) override;
  Task<NetworkCreated> create(NetworkCreateRequest request) override;
  Task<void> remove(std::string name) override;
  Task<std::vector<std::string>> prune(Filters filters) override;

 private:
  network::NetworkRecord get(const std::string& name) const;
  Task<void> remove_record(network::NetworkRecord record);
  /// Does `work` and tells of what it has `changed`. Both live until then.
  Task<void> change(std::string_view action, const std::optional<network::NetworkRecord>& changed,
                    const std::function<void()>& work);
  std::vector<NetworkUsers::Attached> attached_to(const std::string& network_id) const;

  network::Networks& networks_;
  db::Database& database_;
  async::BlockingPool& pool_;
  NetworkUsers& users_;
};

}  // namespace berth::engine
