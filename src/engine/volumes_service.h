#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/async/async.h"
#include "base/core/log.h"
#include "base/db/database.h"
#include "container/record.h"
#include "engine/events.h"
#include "engine/volumes.h"
#include "volume/local_driver.h"

namespace berth::engine {

/// One row of the volumes table.
struct VolumeRecord {
  std::string name;
  std::int64_t created = 0;  ///< nanoseconds since the epoch
  std::map<std::string, std::string> options, labels;
  bool anonymous = false;
  static void describe(auto& self, auto&& field) {
    field("name", self.name);
    field("created", self.created);
    field("options", self.options);
    field("labels", self.labels);
    field("anonymous", self.anonymous);
  }
};

/// The local volumes: rows in the state database, files below <data root>/volumes. On the event loop; what blocks goes
/// to the pool.
class VolumesService final : public Volumes {
 public:
  VolumesService(EventLoop& loop, async::BlockingPool& pool, const Logger& log, db::Database& database,
                 EventLog& events, std::string root);

  Task<VolumeView> create(VolumeCreateRequest request) override;
  Task<std::vector<VolumeView>> list(Filters filters) override;
  Task<VolumeView> inspect(std::string name) override;
  Task<void> remove(std::string name, bool force) override;
  Task<std::pair<std::vector<std::string>, std::uint64_t>> prune(Filters filters) override;

  /// As list(), with what each takes on disk and by how many containers it is used.
  Task<std::vector<VolumeView>> list_with_usage();

  // For containers.
  /// The volume of this name, made if there is none. One that was made now has no row yet: it comes with the row of
  /// its container (save_with), so that a container that does not come about leaves no volume behind.
  Task<void> prepare(VolumeRecord wanted, std::string driver);
  std::function<void(db::Connection&)> save_with(const container::Record& container) const;
  void saved(const container::Record& container);
  /// Drops volumes that were prepared for a container which did not come about, unless another one uses them.
  Task<void> discard_unsaved(container::Record container);
  /// Puts what the image has at `path` (`lower_dirs` topmost first) into a volume that is empty.
  Task<void> copy_up(std::string name, std::vector<std::string> lower_dirs, std::string path);
  std::string path(const std::string& name) const;  ///< its host folder; throws not_found
  bool exists(const std::string& name) const { return volumes_.contains(name); }
  std::map<std::string, std::string> paths_for(const container::Record& record) const;

  /// A container that refers to a volume keeps it from being removed.
  void add_reference(const container::Record& container);
  void drop_reference(const container::Record& container);
  /// Volumes with mount options are mounted while a container that uses them runs.
  Task<void> mount_for(container::Record container);
  Task<void> unmount_for(container::Record container);
  /// Volumes that were made for this container alone and that nobody else uses: they go with its row (erase_with), then
  /// forget() drops them here, and remove_files() their files.
  std::vector<std::string> own_volumes(const container::Record& container) const;
  void mark_removing(const std::vector<std::string>& names, bool removing);  ///< no new container takes them
  static std::function<void(db::Connection&)> erase_with(std::vector<std::string> names);
  void forget(const std::vector<std::string>& names);
  Task<void> remove_files(std::vector<std::string> names);

  /// After the containers were loaded, `running` being those whose volumes stay mounted. Unmounts and removes what
  /// belongs to nobody.
  Task<void> reconcile(std::vector<container::Record> running);
  Task<void> unmount_all();

 private:
  struct Volume {
    VolumeRecord record;
    std::set<std::string> references;  ///< container IDs
    std::set<std::string> mounted_by;
    bool removing = false;
    bool saved = true;
  };
  VolumeView view(const Volume& volume) const;
  Volume& get(const std::string& name);
  Task<void> erase(std::string name);
  Task<void> make(VolumeRecord wanted, bool saved);
  std::vector<std::string> names_with_mounts() const;

  async::BlockingPool& pool_;
  const Logger& log_;
  db::Database& database_;
  EventLog& events_;
  volume::LocalDriver driver_;
  async::Mutex changes_;  ///< creations, removals and mounts come one after another; readers never wait
  std::map<std::string, Volume> volumes_;
};

}  // namespace berth::engine
