#include "engine/volumes_service.h"

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::engine {

namespace {

void check_driver(const std::string& driver, const std::string& name) {
  if (driver.empty() || driver == "local") return;
  throw not_found(
      cat("create ", name, ": error looking up volume plugin ", driver, ": plugin \"", driver, "\" not found"));
}

bool has_table(db::Database& database) {
  bool found = false;
  database.read([&](db::Connection& connection) {
    found = connection.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'volumes'").step();
  });
  return found;
}

bool is_volume_name(const std::string& name) {
  try {
    volume::LocalDriver::check(name, {});
    return true;
  } catch (const Error&) {
    return false;
  }
}

void save_row(db::Connection& connection, const std::string& name, const std::string& text) {
  connection.prepare("INSERT OR REPLACE INTO volumes (name, record) VALUES (?1, ?2)").bind(1, name).bind(2, text).run();
}

}  // namespace

VolumesService::VolumesService(EventLoop& loop, async::BlockingPool& pool, const Logger& log, db::Database& database,
                               EventLog& events, std::string root)
    : pool_(pool), log_(log), database_(database), events_(events), driver_(std::move(root)), changes_(loop) {
  // A database that has just been made says nothing of the folders that are there already: a damaged one was moved
  // away. To take them for leftovers would be the end of the users' data.
  std::vector<VolumeRecord> found;
  if (!has_table(database_)) {
    for (const std::string& name : driver_.list()) {
      if (!is_volume_name(name)) continue;
      found.push_back({.name = name, .created = now().time_since_epoch().count()});
      log_.warn("volume ", name,
                ": its files are there, but the state database is new; it is kept without its labels and options");
    }
  }
  database_.write_blocking([&](db::Connection& connection) {
    connection.execute(
        "CREATE TABLE IF NOT EXISTS volumes (name TEXT PRIMARY KEY NOT NULL, record TEXT NOT NULL) WITHOUT ROWID");
    for (const VolumeRecord& volume : found) save_row(connection, volume.name, json::to_json(volume));
  });
  database_.read([&](db::Connection& connection) {
    db::Statement rows = connection.prepare("SELECT name, record FROM volumes");
    while (rows.step()) {
      const std::string name = rows.text(0);
      Volume volume;
      try {
        volume.record = json::from_json<VolumeRecord>(rows.text(1));
      } catch (const Error& error) {
        // Its files are the user's and still there: better without labels than not at all.
        log_.error("volume ", name, ": its row in the state database is damaged (", error.text(),
                   "); it is used without its labels and options");
      }
      volume.record.name = name;
      volumes_.emplace(name, std::move(volume));
    }
  });
}

VolumeView VolumesService::view(const Volume& volume) const {
  VolumeView view;
  view.name = volume.record.name;
  view.created_at = format_time(Time{std::chrono::nanoseconds{volume.record.created}});
  view.mountpoint = driver_.data_dir(volume.record.name);
  view.labels = volume.record.labels;
  view.options = volume.record.options;
  return view;
}

VolumesService::Volume& VolumesService::get(const std::string& name) {
  const auto found = volumes_.find(name);
  if (found == volumes_.end()) throw not_found(cat("get ", name, ": no such volume"));
  return found->second;
}

std::string VolumesService::path(const std::string& name) const {
  if (!volumes_.contains(name)) throw not_found(cat("get ", name, ": no such volume"));
  return driver_.data_dir(name);
}

std::map<std::string, std::string> VolumesService::paths_for(const container::Record& record) const {
  std::map<std::string, std::string> paths;
  for (const container::MountPoint& mount : record.mount_points) {
    if (mount.type == "volume") paths[mount.name] = path(mount.name);
  }
  return paths;
}

Task<VolumeView> VolumesService::create(VolumeCreateRequest request) {
  VolumeRecord wanted{
      .name = std::move(request.name), .options = std::move(request.driver_opts), .labels = std::move(request.labels)};
  if (wanted.name.empty()) {
    wanted.name = random_hex(32);
    wanted.anonymous = true;
    wanted.labels["com.docker.volume.anonymous"] = "";
  }
  check_driver(request.driver, wanted.name);
  volume::LocalDriver::check(wanted.name, wanted.options);
  const std::string name = wanted.name;
  const async::Mutex::Guard guard = co_await changes_.lock();
  const auto found = volumes_.find(name);
  if (found == volumes_.end() || !found->second.saved) co_await make(std::move(wanted), true);
  co_return view(get(name));
}

Task<void> VolumesService::prepare(VolumeRecord wanted, std::string driver) {
  check_driver(driver, wanted.name);
  volume::LocalDriver::check(wanted.name, wanted.options);
  const async::Mutex::Guard guard = co_await changes_.lock();
  const auto found = volumes_.find(wanted.name);
  if (found != volumes_.end() && found->second.removing) {
    throw conflict(cat("volume ", wanted.name, " is being removed with its container"));
  }
  if (found == volumes_.end()) co_await make(std::move(wanted), false);
}

/// With changes_ held.
Task<void> VolumesService::make(VolumeRecord wanted, bool saved) {
  const std::string name = wanted.name;
  wanted.created = now().time_since_epoch().count();
  co_await pool_.run([&] { driver_.make(name); });
  if (saved) {
    const std::string text = json::to_json(wanted);
    co_await database_.write([name, text](db::Connection& connection) { save_row(connection, name, text); });
  }
  Volume& volume = volumes_[name];
  volume.record = std::move(wanted);
  volume.saved = saved;
  events_.publish("volume", "create", name, {{"driver", "local"}});
}

std::function<void(db::Connection&)> VolumesService::save_with(const container::Record& container) const {
  std::map<std::string, std::string> rows;
  for (const container::MountPoint& mount : container.mount_points) {
    const auto found = volumes_.find(mount.name);
    if (mount.type == "volume" && found != volumes_.end() && !found->second.saved) {
      rows[mount.name] = json::to_json(found->second.record);
    }
  }
  if (rows.empty()) return {};
  return [rows = std::move(rows)](db::Connection& connection) {
    for (const auto& [name, text] : rows) save_row(connection, name, text);
  };
}

void VolumesService::saved(const container::Record& container) {
  for (const container::MountPoint& mount : container.mount_points) {
    const auto found = volumes_.find(mount.name);
    if (mount.type == "volume" && found != volumes_.end()) found->second.saved = true;
  }
}

Task<void> VolumesService::discard_unsaved(container::Record container) {
  const async::Mutex::Guard guard = co_await changes_.lock();
  for (const container::MountPoint& mount : container.mount_points) {
    const auto found = volumes_.find(mount.name);
    if (mount.type != "volume" || found == volumes_.end() || found->second.saved) continue;
    if (found->second.references.empty()) co_await erase(mount.name);
  }
}

Task<void> VolumesService::copy_up(std::string name, std::vector<std::string> lower_dirs, std::string path) {
  const async::Mutex::Guard guard = co_await changes_.lock();
  if (volume::LocalDriver::needs_mount(get(name).record.options))
    co_return;  // what is mounted there is not ours to fill
  co_await pool_.run([&] { driver_.copy_up(name, lower_dirs, path); });
}

Task<std::vector<VolumeView>> VolumesService::list(Filters filters) {
  filters.check_names({"dangling", "driver", "label", "label!", "name"});
  const std::optional<bool> dangling =
      filters.has("dangling") ? std::optional{filters.get_bool("dangling", false)} : std::nullopt;
  std::vector<VolumeView> found;
  for (const auto& [name, volume] : volumes_) {
    if (volume.removing || (dangling && *dangling != volume.references.empty())) continue;
    if (!filters.match_exact("driver", "local") || !filters.match_labels(volume.record.labels)) continue;
    const std::vector<std::string>& names = filters.get("name");
    const auto is_part = [&](const std::string& part) { return name.find(part) != std::string::npos; };
    if (!names.empty() && std::ranges::none_of(names, is_part)) continue;
    found.push_back(view(volume));
  }
  co_return found;
}

Task<std::vector<VolumeView>> VolumesService::list_with_usage() {
  std::vector<VolumeView> views = co_await list({});
  for (VolumeView& view : views) {
    const std::string name = view.name;
    const std::uint64_t size = co_await pool_.run([&] { return driver_.size(name); });
    const auto found = volumes_.find(name);
    const std::size_t users = found == volumes_.end() ? 0 : found->second.references.size();
    view.usage_data =
        VolumeUsage{.size = static_cast<std::int64_t>(size), .ref_count = static_cast<std::int64_t>(users)};
  }
  co_return views;
}

Task<VolumeView> VolumesService::inspect(std::string name) { co_return view(get(name)); }

Task<void> VolumesService::remove(std::string name, bool force) {
  const async::Mutex::Guard guard = co_await changes_.lock();
  const auto found = volumes_.find(name);
  if (found == volumes_.end()) {
    if (force) co_return;
    throw not_found(cat("get ", name, ": no such volume"));
  }
  const std::set<std::string>& users = found->second.references;
  if (!users.empty()) {
    throw conflict(cat("remove ", name, ": volume is in use - [", join({users.begin(), users.end()}, ", "), "]"));
  }
  co_await erase(name);
}

/// The row goes first: files without one are swept at the next start. With changes_ held.
Task<void> VolumesService::erase(std::string name) {
  volumes_[name].removing = true;
  std::exception_ptr failure;
  try {
    co_await pool_.run([&] { driver_.unmount(name); });
    co_await database_.write([name](db::Connection& connection) {
      connection.prepare("DELETE FROM volumes WHERE name = ?1").bind(1, name).run();
    });
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    volumes_[name].removing = false;
    std::rethrow_exception(failure);
  }
  volumes_.erase(name);
  co_await pool_.run([&] { driver_.remove(name); });
  events_.publish("volume", "destroy", name, {{"driver", "local"}});
}

Task<std::pair<std::vector<std::string>, std::uint64_t>> VolumesService::prune(Filters filters) {
  filters.check_names({"all", "label", "label!"});
  const bool all = filters.get_bool("all", false);
  std::pair<std::vector<std::string>, std::uint64_t> report;
  const async::Mutex::Guard guard = co_await changes_.lock();
  std::vector<std::string> unused;
  for (const auto& [name, volume] : volumes_) {
    if (volume.references.empty() && (all || volume.record.anonymous) && filters.match_labels(volume.record.labels)) {
      unused.push_back(name);
    }
  }
  for (const std::string& name : unused) {
    const std::uint64_t size = co_await pool_.run([&] { return driver_.size(name); });
    if (!volumes_[name].references.empty()) continue;  // a container came in between
    co_await erase(name);
    report.first.push_back(name);
    report.second += size;
  }
  events_.publish("volume", "prune", "", {{"reclaimed", cat(report.second)}});
  co_return report;
}

void VolumesService::add_reference(const container::Record& container) {
  for (const container::MountPoint& mount : container.mount_points) {
    const auto found = volumes_.find(mount.name);
    if (mount.type == "volume" && found != volumes_.end()) found->second.references.insert(container.id);
  }
}

void VolumesService::drop_reference(const container::Record& container) {
  for (auto& [name, volume] : volumes_) volume.references.erase(container.id);
}

Task<void> VolumesService::mount_for(container::Record container) {
  for (const container::MountPoint& mount : container.mount_points) {
    if (mount.type != "volume") continue;
    if (!volumes_.contains(mount.name)) throw not_found(cat("get ", mount.name, ": no such volume"));
    const volume::Options options = get(mount.name).record.options;
    if (!volume::LocalDriver::needs_mount(options)) continue;
    const async::Mutex::Guard guard = co_await changes_.lock();
    co_await pool_.run([&] { driver_.mount(mount.name, options); });
    get(mount.name).mounted_by.insert(container.id);
  }
}

Task<void> VolumesService::unmount_for(container::Record container) {
  for (const container::MountPoint& mount : container.mount_points) {
    const auto found = volumes_.find(mount.name);
    if (mount.type != "volume" || found == volumes_.end() || !found->second.mounted_by.contains(container.id)) continue;
    const async::Mutex::Guard guard = co_await changes_.lock();
    Volume& volume = get(mount.name);
    volume.mounted_by.erase(container.id);
    if (volume.mounted_by.empty()) co_await pool_.run([&] { driver_.unmount(mount.name); });
  }
}

void VolumesService::mark_removing(const std::vector<std::string>& names, bool removing) {
  for (const std::string& name : names) volumes_[name].removing = removing;
}

std::vector<std::string> VolumesService::own_volumes(const container::Record& container) const {
  std::vector<std::string> names;
  for (const container::MountPoint& mount : container.mount_points) {
    const auto found = volumes_.find(mount.name);
    if (mount.type != "volume" || !mount.anonymous || found == volumes_.end()) continue;
    const std::set<std::string>& users = found->second.references;
    if (users.empty() || (users.size() == 1 && users.contains(container.id))) names.push_back(mount.name);
  }
  return names;
}

std::function<void(db::Connection&)> VolumesService::erase_with(std::vector<std::string> names) {
  if (names.empty()) return {};
  return [names = std::move(names)](db::Connection& connection) {
    for (const std::string& name : names) {
      connection.prepare("DELETE FROM volumes WHERE name = ?1").bind(1, name).run();
    }
  };
}

void VolumesService::forget(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    volumes_.erase(name);
    events_.publish("volume", "destroy", name, {{"driver", "local"}});
  }
}

Task<void> VolumesService::remove_files(std::vector<std::string> names) {
  for (const std::string& name : names) {
    const async::Mutex::Guard guard = co_await changes_.lock();
    if (!volumes_.contains(name)) co_await pool_.run([&] { driver_.remove(name); });  // not made again meanwhile
  }
}

Task<void> VolumesService::reconcile(std::vector<container::Record> running) {
  std::set<std::string> in_use;
  for (const container::Record& container : running) {
    for (const container::MountPoint& mount : container.mount_points) {
      const auto found = volumes_.find(mount.name);
      if (mount.type != "volume" || found == volumes_.end()) continue;
      in_use.insert(mount.name);
      found->second.mounted_by.insert(container.id);
    }
  }
  std::vector<std::string> known;
  for (const auto& [name, volume] : volumes_) known.push_back(name);
  const std::vector<std::string> mountable = names_with_mounts();
  co_await pool_.run([&] {
    for (const std::string& name : mountable) {
      if (!in_use.contains(name)) driver_.unmount(name);
    }
    for (const std::string& name : driver_.list()) {
      // Folders come before rows, and rows go before folders: what has no row was never, or is no more.
      if (!std::ranges::binary_search(known, name)) driver_.remove(name);
    }
  });
}

std::vector<std::string> VolumesService::names_with_mounts() const {
  std::vector<std::string> names;
  for (const auto& [name, volume] : volumes_) {
    if (volume::LocalDriver::needs_mount(volume.record.options)) names.push_back(name);
  }
  return names;
}

Task<void> VolumesService::unmount_all() {
  const async::Mutex::Guard guard = co_await changes_.lock();
  const std::vector<std::string> names = names_with_mounts();
  co_await pool_.run([&] {
    for (const std::string& name : names) driver_.unmount(name);
  });
}

}  // namespace berth::engine
