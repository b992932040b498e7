#include "engine/networks_service.h"

#include <algorithm>
#include <set>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/core/time.h"
#include "base/json/json.h"

namespace berth::engine {

namespace {

using network::NetworkRecord;

bool is_predefined(const NetworkRecord& record) {
  return record.name == "bridge" || record.name == "host" || record.name == "none";
}

NetworkView view_of(const NetworkRecord& record) {
  NetworkView view;
  view.name = record.name;
  view.id = record.id;
  view.created = record.created;
  view.driver = record.driver;
  view.enable_ipv6 = record.enable_ipv6;
  view.ipam.options = record.ipam_options;
  if (!record.subnet.empty()) {
    view.ipam.config.push_back({.subnet = record.subnet,
                                .ip_range = record.ip_range,
                                .gateway = record.gateway,
                                .auxiliary_addresses = record.aux_addresses});
  }
  view.internal = record.internal;
  view.attachable = record.attachable;
  view.ingress = record.ingress;
  view.options = record.options;
  view.labels = record.labels;
  return view;
}

// Docker matches names and IDs with a part of them.
bool contains_one(const std::vector<std::string>& wanted, const std::string& text) {
  return wanted.empty() || std::ranges::any_of(wanted, [&](const std::string& part) { return text.contains(part); });
}

bool is_type(const Filters& filters, const NetworkRecord& record) {
  if (!filters.has("type")) return true;
  for (const std::string& type : filters.get("type")) {
    if (type != "builtin" && type != "custom") throw invalid(cat("invalid filter: 'type'='", type, "'"));
  }
  return filters.match_exact("type", is_predefined(record) ? "builtin" : "custom");
}

bool matches(const Filters& filters, const NetworkRecord& record) {
  return contains_one(filters.get("name"), record.name) && contains_one(filters.get("id"), record.id) &&
         filters.match_exact("driver", record.driver) && filters.match_exact("scope", "local") &&
         is_type(filters, record) && filters.match_labels(record.labels);
}

// `until` of prune: a time, or how long ago.
bool is_before_until(const Filters& filters, const NetworkRecord& record) {
  if (!filters.has("until")) return true;
  if (filters.get("until").size() != 1) throw invalid("more than one until filter specified");
  const std::optional<Time> until = parse_timestamp(filters.get("until")[0]);
  if (!until) throw invalid(cat("invalid filter 'until=", filters.get("until")[0], "'"));
  const std::optional<Time> created = parse_time(record.created);
  return created && *created < *until;
}

}  // namespace

std::vector<NetworkRecord> load_network_records(db::Database& database, const Logger& log) {
  database.write_blocking([](db::Connection& connection) {
    connection.execute("CREATE TABLE IF NOT EXISTS networks (id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID");
  });
  std::vector<NetworkRecord> records;
  database.read([&](db::Connection& connection) {
    db::Statement rows = connection.prepare("SELECT id, record FROM networks");
    while (rows.step()) {
      try {
        records.push_back(json::from_json<NetworkRecord>(rows.text(1)));
      } catch (const Error& error) {
        log.error("the record of network ", rows.text(0),
                  " in the state database can't be read, remove it with "
                  "`docker network rm` and create it again: ",
                  error.text());
      }
    }
  });
  std::ranges::sort(records, {}, &NetworkRecord::created);
  return records;
}

NetworkRecord NetworksService::get(const std::string& name) const {
  std::optional<NetworkRecord> record = networks_.find(name);
  if (!record) throw not_found(cat("network ", name, " not found"));
  return std::move(*record);
}

std::vector<NetworkUsers::Attached> NetworksService::attached_to(const std::string& network_id) const {
  std::vector<NetworkUsers::Attached> all = users_.attached();
  std::erase_if(all, [&](const NetworkUsers::Attached& one) { return one.endpoint.network_id != network_id; });
  return all;
}

Task<std::vector<NetworkView>> NetworksService::list(Filters filters) {
  filters.check_names({"dangling", "driver", "id", "label", "label!", "name", "scope", "type"});
  const bool by_use = filters.has("dangling"), unused = filters.get_bool("dangling", false);
  std::set<std::string> used;
  if (by_use) {
    for (const NetworkUsers::Attached& one : users_.attached()) used.insert(one.endpoint.network_id);
  }
  std::vector<NetworkView> views;
  for (const NetworkRecord& record : networks_.list()) {
    if (!matches(filters, record)) continue;
    if (by_use && (!is_predefined(record) && !used.contains(record.id)) != unused) continue;
    views.push_back(view_of(record));
  }
  co_return views;
}

Task<NetworkView> NetworksService::inspect(std::string name) {
  const NetworkRecord record = get(name);
  NetworkView view = view_of(record);
  for (const NetworkUsers::Attached& one : attached_to(record.id)) {
    const network::Endpoint& endpoint = one.endpoint;
    const std::string address =
        endpoint.ipv4_address.empty() ? "" : cat(endpoint.ipv4_address, '/', endpoint.prefix_length);
    view.containers[endpoint.container_id] = {.name = one.container_name,
                                              .endpoint_id = endpoint.id,
                                              .mac_address = endpoint.mac_address,
                                              .ipv4_address = address,
                                              .ipv6_address = {}};
  }
  co_return view;
}

namespace {

void store(db::Database& database, const NetworkRecord& record) {
  database.write_blocking([&](db::Connection& connection) {
    connection.prepare("INSERT INTO networks (id, record) VALUES (?, ?)")
        .bind(1, record.id)
        .bind(2, json::to_json(record))
        .run();
  });
}

void forget(db::Database& database, const std::string& id) {
  database.write_blocking(
      [&](db::Connection& connection) { connection.prepare("DELETE FROM networks WHERE id = ?").bind(1, id).run(); });
}

}  // namespace

/// A network and its row come and go in one piece of work, so that a caller who is cancelled in the middle (the daemon
/// stops) leaves both or neither.
Task<void> NetworksService::change(std::string_view action, const std::optional<NetworkRecord>& changed,
                                   const std::function<void()>& work) {
  std::exception_ptr failure;
  try {
    co_await pool_.run([&work] { work(); });
  } catch (...) {
    failure = std::current_exception();
  }
  if (changed) users_.network_changed(action, *changed);
  if (failure) std::rethrow_exception(failure);
}

Task<NetworkCreated> NetworksService::create(NetworkCreateRequest request) {
  const NetworkRecord wanted = make_network_record(request);
  std::optional<NetworkRecord> created;
  const std::function<void()> work = [&] {
    const NetworkRecord made = networks_.create(wanted);
    try {
      store(database_, made);
    } catch (...) {  // what can't be stored is not there
      networks_.remove(made.id);
      throw;
    }
    created = made;
  };
  co_await change("create", created, work);
  co_return NetworkCreated{.id = created->id, .warning = {}};
}

Task<void> NetworksService::remove_record(NetworkRecord record) {
  std::optional<NetworkRecord> removed;
  const std::function<void()> work = [&] {
    networks_.remove(record.id);
    forget(database_, record.id);
    removed = record;
  };
  co_await change("destroy", removed, work);
}

Task<void> NetworksService::remove(std::string name) {
  NetworkRecord record = get(name);
  if (is_predefined(record)) {
    throw Error{ErrorKind::forbidden, cat(record.name, " is a pre-defined network and cannot be removed")};
  }
  co_await remove_record(std::move(record));
}

Task<std::vector<std::string>> NetworksService::prune(Filters filters) {
  filters.check_names({"label", "label!", "until"});
  std::set<std::string> used;
  for (const NetworkUsers::Attached& one : users_.attached()) used.insert(one.endpoint.network_id);
  std::vector<std::string> removed;
  for (NetworkRecord& record : networks_.list()) {
    if (is_predefined(record) || used.contains(record.id)) continue;
    if (!filters.match_labels(record.labels) || !is_before_until(filters, record)) continue;
    const std::string name = record.name;
    try {
      co_await remove_record(std::move(record));
      removed.push_back(name);
    } catch (const Error& error) {  // in use since, or removed by somebody else: not ours to prune
      if (error.kind() != ErrorKind::forbidden && error.kind() != ErrorKind::not_found) throw;
    }
  }
  co_return removed;
}

}  // namespace berth::engine
