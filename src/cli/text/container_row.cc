#include "cli/text/container_row.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/core/time.h"
#include "cli/text/table.h"
#include "cli/text/units.h"

namespace berth::cli {

namespace {

struct Port {
  std::string ip, protocol;
  std::int64_t inner = 0, outer = 0;
};

/// A run of neighbours: same address and protocol, inner and outer ports both one up.
struct PortRun {
  std::int64_t first = 0, last = 0;
};

std::string run_text(const std::string& ip, const std::string& protocol, PortRun run, bool published) {
  const std::string range = run.first == run.last ? cat(run.first) : cat(run.first, "-", run.last);
  if (!published) return cat(range, "/", protocol);
  return cat(ip, ":", range, "->", range, "/", protocol);
}

std::string bracketed(const std::string& ip) { return ip.find(':') == std::string::npos ? ip : cat("[", ip, "]"); }

std::vector<Port> sorted_ports(const boost::json::array& ports) {
  std::vector<Port> out;
  for (const Json& port : ports) {
    out.push_back(
        {text_at(port, "IP"), text_at(port, "Type"), number_at(port, "PrivatePort"), number_at(port, "PublicPort")});
  }
  std::ranges::sort(out, [](const Port& a, const Port& b) {
    return std::tie(a.inner, a.ip, a.outer, a.protocol) < std::tie(b.inner, b.ip, b.outer, b.protocol);
  });
  return out;
}

std::string quoted_command(const Json& container, bool no_trunc) {
  const std::string command = text_at(container, "Command");
  return quoted(no_trunc ? command : ellipsis(command, 20));
}

/// Names without the slash; links ("/web/db") are no names of it, except in full listings.
std::string names_of(const Json& container, bool no_trunc) {
  std::vector<std::string> names;
  for (std::string name : texts_at(container, "Names")) {
    name.erase(0, name.starts_with('/') ? 1 : 0);
    if (no_trunc || name.find('/') == std::string::npos) names.push_back(std::move(name));
  }
  return join(names, ",");
}

std::string image_of(const Json& container, bool no_trunc) {
  std::string image = text_at(container, "Image");
  if (image.empty()) return "<no image>";
  if (no_trunc) return image;
  if (short_id(text_at(container, "ImageID")) == short_id(image)) return short_id(image);
  // A digest is too long for a column; the tag stays.
  const std::size_t digest = image.find('@');
  if (digest != std::string::npos) image.resize(digest);
  return image;
}

std::string mounts_of(const Json& container, bool no_trunc) {
  std::vector<std::string> mounts;
  for (const Json& mount : array_at(container, "Mounts")) {
    std::string name = text_at(mount, "Name");
    if (name.empty()) name = text_at(mount, "Source");
    mounts.push_back(no_trunc ? name : ellipsis(name, 15));
  }
  return join(mounts, ",");
}

std::int64_t local_volumes_of(const Json& container) {
  return std::ranges::count_if(array_at(container, "Mounts"),
                               [](const Json& mount) { return text_at(mount, "Driver") == "local"; });
}

std::string size_of(const Json& container) {
  const std::string own = human_size(double_at(container, "SizeRw"), 3);
  const double total = double_at(container, "SizeRootFs");
  return total > 0 ? cat(own, " (virtual ", human_size(total, 3), ")") : own;
}

std::string networks_of(const Json& container) {
  std::vector<std::string> names;
  for (const auto& network : object_at(at(container, "NetworkSettings"), "Networks")) names.emplace_back(network.key());
  return join(names, ",");
}

}  // namespace

std::string short_id(std::string_view id) {
  const std::size_t colon = id.find(':');
  if (colon != std::string_view::npos) id.remove_prefix(colon + 1);
  return std::string{id.substr(0, 12)};
}

std::string time_ago(std::int64_t seconds) {
  return cat(human_duration(now() - Time{std::chrono::seconds{seconds}}), " ago");
}

std::string port_summary(const boost::json::array& ports) {
  std::vector<std::pair<std::string, PortRun>> runs;  // by "ip/protocol", in the order of their first port
  std::vector<std::string> parts, mapped;
  for (const Port& port : sorted_ports(ports)) {
    if (port.outer != 0 && port.outer != port.inner) {
      mapped.push_back(cat(bracketed(port.ip), ":", port.outer, "->", port.inner, "/", port.protocol));
      continue;
    }
    const bool published = port.outer != 0;
    const std::string key = published ? cat(bracketed(port.ip), "/", port.protocol) : port.protocol;
    const auto found = std::ranges::find(runs, key, &decltype(runs)::value_type::first);
    if (found == runs.end()) {
      runs.emplace_back(key, PortRun{port.inner, port.inner});
      continue;
    }
    if (port.inner <= found->second.last + 1) {
      found->second.last = std::max(found->second.last, port.inner);
      continue;
    }
    parts.push_back(run_text(bracketed(port.ip), port.protocol, found->second, published));
    found->second = {port.inner, port.inner};
  }
  for (const auto& [key, run] : runs) {
    const std::size_t slash = key.find('/');
    const bool published = slash != std::string::npos;
    parts.push_back(published ? run_text(key.substr(0, slash), key.substr(slash + 1), run, true)
                              : run_text("", key, run, false));
  }
  parts.insert(parts.end(), mapped.begin(), mapped.end());
  return join(parts, ", ");
}

ListFormat container_list_format() {
  return {.type_name = "*formatter.ContainerContext",
          .headings = {{"ID", "CONTAINER ID"},
                       {"Names", "NAMES"},
                       {"Image", "IMAGE"},
                       {"Command", "COMMAND"},
                       {"CreatedAt", "CREATED AT"},
                       {"RunningFor", "CREATED"},
                       {"Ports", "PORTS"},
                       {"State", "STATE"},
                       {"Status", "STATUS"},
                       {"Size", "SIZE"},
                       {"Labels", "LABELS"},
                       {"Mounts", "MOUNTS"},
                       {"LocalVolumes", "LOCAL VOLUMES"},
                       {"Networks", "NETWORKS"},
                       {"Platform", "PLATFORM"}},
          .default_table = std::string{kContainerTable},
          .complaint = "failed to execute template"};
}

Row container_row(const Json& container, bool no_trunc) {
  const std::string id = text_at(container, "Id");
  const std::int64_t created = number_at(container, "Created");
  Row row{"*formatter.ContainerContext"};
  row.set("ID", no_trunc ? id : short_id(id))
      .set("Names", names_of(container, no_trunc))
      .set("Image", image_of(container, no_trunc))
      .set("Command", quoted_command(container, no_trunc))
      .set("CreatedAt", go_time(Time{std::chrono::seconds{created}}, true))
      .set("RunningFor", time_ago(created))
      .set("Ports", port_summary(array_at(container, "Ports")))
      .set("State", text_at(container, "State"))
      .set("Status", text_at(container, "Status"))
      .set("Size", size_of(container))
      .set("Mounts", mounts_of(container, no_trunc))
      .set("LocalVolumes", cat(local_volumes_of(container)))
      .set("Networks", networks_of(container))
      .set_null("Platform")
      .set_labels(map_at(container, "Labels"));
  return row;
}

}  // namespace berth::cli
