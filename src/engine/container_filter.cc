#include <regex.h>

#include <algorithm>
#include <set>

#include "base/core/error.h"
#include "base/core/text.h"
#include "container/ports.h"
#include "engine/container_views.h"

namespace berth::engine {

namespace {

using container::Record;

/// A client's pattern for names. POSIX expressions and no captures, so that the C library matches by an automaton:
/// no pattern makes the event loop spin. Counted repetitions could blow that automaton up, and are not taken.
class NamePattern {
 public:
  explicit NamePattern(const std::string& text) : text_(text) {
    constexpr std::size_t kLongest = 1024;
    if (text.size() > kLongest || text.find_first_of("{\\") != std::string::npos) return;
    auto fresh = std::make_unique<regex_t>();
    if (::regcomp(fresh.get(), text.c_str(), REG_EXTENDED | REG_NOSUB) == 0) compiled_.reset(fresh.release());
  }

  bool matches(const std::string& name) const {
    if (name == text_) return true;
    return compiled_ && ::regexec(compiled_.get(), name.c_str(), 0, nullptr, 0) == 0;
  }

 private:
  struct Free {
    void operator()(regex_t* pattern) const {
      ::regfree(pattern);
      delete pattern;
    }
  };
  std::string text_;
  std::unique_ptr<regex_t, Free> compiled_;
};

/// "80", "80/udp", "80-90/tcp" as the "80/tcp" of each.
void add_ports(const std::string& key, const std::string& value, std::set<std::string>& out) {
  if (value.find(':') != std::string::npos) {
    throw invalid(cat("filter for '", key, "' should not contain ':': ", value));
  }
  try {
    const std::size_t slash = value.find('/');
    const container::PortRange range = container::parse_port_range(std::string_view{value}.substr(0, slash));
    if (range.first == 0) throw invalid("no port");
    const std::string suffix = slash == std::string::npos ? "/tcp" : to_lower(value.substr(slash));
    container::parse_port("1" + suffix);
    for (int port = range.first; port <= range.last; ++port) out.insert(cat(port, suffix));
  } catch (const Error& error) {
    throw invalid(cat("error while looking up for ", key, " ", value, ": ", error.text()));
  }
}

void check_words(const Filters& filters, std::string_view filter, std::string_view what,
                 const std::vector<std::string>& words) {
  for (const std::string& value : filters.get(filter)) {
    if (std::ranges::find(words, value) != words.end()) continue;
    throw invalid(cat("invalid filter '", filter, "=", value, "': invalid value for ", what, " (", value,
                      "): must be one of ", join(words, ", ")));
  }
}

bool any_of(const std::vector<std::string>& values, auto holds) {
  return values.empty() || std::ranges::any_of(values, holds);
}

/// Containers are listed newest first; of two made in the same nanosecond the IDs decide.
std::pair<std::int64_t, std::string_view> age(const Record& record) { return {record.created, record.id}; }

bool has_volume(const Record& record, const std::string& value) {
  return std::ranges::any_of(record.mount_points, [&](const container::MountPoint& point) {
    return point.destination == value || (point.name.empty() ? point.source : point.name) == value;
  });
}

bool has_network(const Record& record, const std::vector<network::Endpoint>& endpoints, const std::string& value,
                 const std::string& id) {
  const std::string& mode = record.host_config.network_mode;
  if (mode == value || ((mode.empty() || mode == "default") && value == "bridge")) return true;
  if (record.networking.endpoints_config.contains(value)) return true;
  return std::ranges::any_of(endpoints, [&](const network::Endpoint& endpoint) {
    return endpoint.network_name == value || endpoint.network_id == id ||
           (!value.empty() && endpoint.network_id.starts_with(value));
  });
}

}  // namespace

struct ContainerFilter::Compiled {
  Filters filters;
  std::vector<NamePattern> names;
  std::set<std::int64_t> exit_codes;
  std::optional<std::pair<std::int64_t, std::string>> before, since;
  std::set<std::string> images, publish, expose;
  std::map<std::string, std::string> network_ids;

  bool matches_ports(const Record& record, const std::vector<network::Endpoint>& endpoints) const;
  bool matches_words(const Record& record) const;
};

bool ContainerFilter::Compiled::matches_ports(const Record& record,
                                              const std::vector<network::Endpoint>& endpoints) const {
  if (publish.empty() && expose.empty()) return true;
  for (const network::Endpoint& endpoint : endpoints) {
    for (const network::BoundPort& port : endpoint.ports) {
      if (publish.contains(cat(port.host_port, '/', port.protocol))) return true;
      if (expose.contains(cat(port.container_port, '/', port.protocol))) return true;
    }
  }
  return !endpoints.empty() && std::ranges::any_of(record.config.exposed_ports,
                                                   [&](const auto& port) { return expose.contains(port.first); });
}

bool ContainerFilter::Compiled::matches_words(const Record& record) const {
  if (!filters.match_exact("status", container::to_string(record.state.status))) return false;
  const std::optional<container::Health>& health = record.state.health;
  if (!filters.match_exact("health", health ? container::to_string(health->status) : "none")) return false;
  // No container here is a service's task.
  if (filters.has("is-task") && filters.get_bool("is-task", false)) return false;
  if (!exit_codes.empty()) {
    const bool ended = !record.state.running() && record.state.started_at != 0;
    if (!ended || !exit_codes.contains(record.state.exit_code)) return false;
  }
  return filters.match_labels(record.config.labels);
}

ContainerFilter::ContainerFilter(const Filters& filters, const FilterLookups& lookups)
    : compiled_(std::make_unique<Compiled>()) {
  filters.check_names({"ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label",
                       "label!", "name", "network", "publish", "since", "status", "volume"});
  compiled_->filters = filters;
  check_words(filters, "status", "state", {"created", "running", "paused", "restarting", "removing", "exited", "dead"});
  check_words(filters, "health", "health", {"none", "starting", "healthy", "unhealthy"});
  if (filters.has("is-task")) filters.get_bool("is-task", false);
  for (const std::string& value : filters.get("exited")) {
    const auto code = parse_number<std::int64_t>(value);
    if (!code) {
      throw invalid(
          cat("invalid filter 'exited=", value, "': strconv.Atoi: parsing ", quoted(value), ": invalid syntax"));
    }
    compiled_->exit_codes.insert(*code);
  }
  const auto age_of = [&](const std::string& name) {
    const Record* record = lookups.find_container ? lookups.find_container(name) : nullptr;
    if (record == nullptr) throw not_found(cat("No such container: ", name));
    return std::pair{record->created, record->id};
  };
  for (const std::string& name : filters.get("before")) compiled_->before = age_of(name);
  for (const std::string& name : filters.get("since")) compiled_->since = age_of(name);
  for (const std::string& image : filters.get("ancestor")) {
    if (lookups.find_images) compiled_->images.merge(lookups.find_images(image));
  }
  for (const std::string& name : filters.get("network")) {
    compiled_->network_ids[name] = lookups.find_network_id ? lookups.find_network_id(name) : "";
  }
  for (const std::string& value : filters.get("publish")) add_ports("publish", value, compiled_->publish);
  for (const std::string& value : filters.get("expose")) add_ports("expose", value, compiled_->expose);
  for (const std::string& value : filters.get("name")) compiled_->names.emplace_back(value);
}

ContainerFilter::~ContainerFilter() = default;
ContainerFilter::ContainerFilter(ContainerFilter&&) noexcept = default;

bool ContainerFilter::implies_all() const { return compiled_->filters.has("status"); }

bool ContainerFilter::matches(const Record& record, const std::vector<network::Endpoint>& endpoints) const {
  const Compiled& c = *compiled_;
  if (c.filters.empty()) return true;
  if (c.before && !(age(record) < std::pair<std::int64_t, std::string_view>{*c.before})) return false;
  if (c.since && !(age(record) > std::pair<std::int64_t, std::string_view>{*c.since})) return false;
  if (!any_of(c.filters.get("id"), [&](const std::string& id) { return record.id.starts_with(id); })) return false;
  const std::string slashed = "/" + record.name;
  const bool named = c.names.empty() || std::ranges::any_of(c.names, [&](const NamePattern& pattern) {
                       return pattern.matches(record.name) || pattern.matches(slashed);
                     });
  if (!named || !c.matches_words(record)) return false;
  if (!any_of(c.filters.get("volume"), [&](const std::string& value) { return has_volume(record, value); })) {
    return false;
  }
  if (c.filters.has("ancestor") && !c.images.contains(record.image_id)) return false;
  const bool connected = any_of(c.filters.get("network"), [&](const std::string& value) {
    return has_network(record, endpoints, value, c.network_ids.at(value));
  });
  return connected && c.matches_ports(record, endpoints);
}

}  // namespace berth::engine
