#include <algorithm>
#include <boost/json/serialize.hpp>

#include "base/core/text.h"
#include "base/core/time.h"
#include "cli/commands/commands.h"
#include "cli/json_view.h"
#include "cli/options/filters.h"
#include "cli/options/resources.h"
#include "cli/text/container_row.h"
#include "cli/text/units.h"

namespace berth::cli {

namespace json = boost::json;

namespace {

json::object object_of(const std::map<std::string, std::string>& map) {
  json::object out;
  for (const auto& [key, value] : map) out[key] = value;
  return out;
}

json::array array_of(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

struct CreateOptions {
  bool attachable = false, config_only = false, ingress = false, internal = false, ipv4 = true, ipv6 = false;
  std::string config_from, driver = "bridge", ipam_driver = "default", scope;
  std::vector<std::string> aux, gateways, ranges, ipam_options, labels, options, subnets;
};

/// --subnet, --gateway and --ip-range come as lists; what was given n-th belongs to the n-th subnet.
json::array address_pools(const CreateOptions& options) {
  if (options.subnets.empty() && (!options.gateways.empty() || !options.ranges.empty() || !options.aux.empty())) {
    throw invalid("every ip-range or gateway must have a corresponding subnet");
  }
  if (options.gateways.size() > options.subnets.size() || options.ranges.size() > options.subnets.size()) {
    throw invalid("every ip-range or gateway must have a corresponding subnet");
  }
  json::array pools;
  for (std::size_t i = 0; i < options.subnets.size(); ++i) {
    json::object pool{{"Subnet", options.subnets[i]}};
    if (i < options.gateways.size()) pool["Gateway"] = options.gateways[i];
    if (i < options.ranges.size()) pool["IPRange"] = options.ranges[i];
    if (i == 0 && !options.aux.empty()) pool["AuxiliaryAddresses"] = object_of(pairs_to_map(options.aux));
    pools.emplace_back(std::move(pool));
  }
  return pools;
}

int create(Cli& cli, const CreateOptions& options, const FlagSet& flags, const std::string& name) {
  json::object ipam{{"Driver", options.ipam_driver}};
  if (json::array pools = address_pools(options); !pools.empty()) ipam["Config"] = std::move(pools);
  if (!options.ipam_options.empty()) ipam["Options"] = object_of(pairs_to_map(options.ipam_options));
  json::object body{{"Name", name},
                    {"Driver", options.driver},
                    {"Scope", options.scope},
                    {"IPAM", std::move(ipam)},
                    {"Internal", options.internal},
                    {"Attachable", options.attachable},
                    {"Ingress", options.ingress},
                    {"ConfigOnly", options.config_only},
                    {"Options", object_of(pairs_to_map(options.options))},
                    {"Labels", object_of(read_labels({}, options.labels))}};
  if (flags.changed("ipv6")) body["EnableIPv6"] = options.ipv6;
  if (flags.changed("ipv4")) body["EnableIPv4"] = options.ipv4;
  if (!options.config_from.empty()) body["ConfigFrom"] = json::object{{"Network", options.config_from}};
  const Json created = cli.api().post("/networks/create", json::serialize(body));
  if (const std::string warning = text_at(created, "Warning"); !warning.empty())
    Cli::err_line(cat("WARNING: ", warning));
  Cli::out_line(text_at(created, "Id"));
  return 0;
}

Action prepare_create(FlagSet& flags) {
  auto options = std::make_shared<CreateOptions>();
  flags.boolean(options->attachable, "attachable", 0, "Containers may attach to a swarm network");
  flags.list(options->aux, "aux-address", 0, "Address that is taken by something else", "map");
  flags.text(options->config_from, "config-from", 0, "Network to take the configuration from");
  flags.boolean(options->config_only, "config-only", 0, "Only a configuration for others");
  flags.text(options->driver, "driver", 'd', "Driver of the network");
  flags.list(options->gateways, "gateway", 0, "Gateway of the subnet", "strings");
  flags.boolean(options->ingress, "ingress", 0, "The swarm's routing mesh");
  flags.boolean(options->internal, "internal", 0, "No way out of the network");
  flags.list(options->ranges, "ip-range", 0, "Part of the subnet to give addresses from", "strings");
  flags.text(options->ipam_driver, "ipam-driver", 0, "Driver of the address management");
  flags.list(options->ipam_options, "ipam-opt", 0, "Option of the address management", "map");
  flags.boolean(options->ipv4, "ipv4", 0, "IPv4 in the network");
  flags.boolean(options->ipv6, "ipv6", 0, "IPv6 in the network");
  flags.list(options->labels, "label", 0, "Set a label");
  flags.list(options->options, "opt", 'o', "Option of the driver", "map");
  flags.text(options->scope, "scope", 0, "Scope of the network");
  flags.list(options->subnets, "subnet", 0, "Subnet in CIDR form", "strings");
  const FlagSet* all = &flags;
  return [options, all](Cli& cli, const Arguments& arguments) { return create(cli, *options, *all, arguments[0]); };
}

struct ListOptions {
  bool quiet = false, no_trunc = false;
  std::string format;
  std::vector<std::string> filters;
};

ListFormat network_list_format() {
  return {.type_name = "*network.networkContext",
          .headings = {{"ID", "NETWORK ID"},
                       {"Name", "NAME"},
                       {"Driver", "DRIVER"},
                       {"Scope", "SCOPE"},
                       {"IPv4", "IPV4"},
                       {"IPv6", "IPV6"},
                       {"Internal", "INTERNAL"},
                       {"Labels", "LABELS"},
                       {"CreatedAt", "CREATED AT"}},
          .default_table = "table {{.ID}}\\t{{.Name}}\\t{{.Driver}}\\t{{.Scope}}"};
}

Row network_row(const Json& network, bool no_trunc) {
  const auto truth = [&](std::string_view name) { return bool_at(network, name) ? "true" : "false"; };
  const std::string id = text_at(network, "Id");
  Row row{"*network.networkContext"};
  row.set("ID", no_trunc ? id : short_id(id))
      .set("Name", text_at(network, "Name"))
      .set("Driver", text_at(network, "Driver"))
      .set("Scope", text_at(network, "Scope"))
      .set("IPv4", truth("EnableIPv4"))
      .set("IPv6", truth("EnableIPv6"))
      .set("Internal", truth("Internal"))
      .set("CreatedAt", go_time(parse_time(text_at(network, "Created")).value_or(kNever), false))
      .set_labels(map_at(network, "Labels"));
  return row;
}

int list(Cli& cli, const ListOptions& options) {
  const Query query = Query{}.add_if(!options.filters.empty(), "filters", filters_json(options.filters));
  const Json answer = cli.api().get(cat("/networks", query.text()));
  std::vector<const Json*> networks;
  for (const Json& network : as_array(answer)) networks.push_back(&network);
  std::ranges::sort(networks, {}, [](const Json* network) { return text_at(*network, "Name"); });
  std::vector<Row> rows;
  for (const Json* network : networks) rows.push_back(network_row(*network, options.no_trunc));
  const bool plain = options.format.empty() || options.format == "table";
  Cli::out(render_rows(network_list_format(), options.quiet && plain ? "{{.ID}}" : options.format, rows));
  return 0;
}

Action prepare_list(FlagSet& flags) {
  auto options = std::make_shared<ListOptions>();
  declare_filter(flags, options->filters, 'f', "Show only what fits (driver=bridge, name=…, label=…, …)");
  flags.text(options->format, "format", 0, kFormatHelp);
  flags.boolean(options->no_trunc, "no-trunc", 0, "Show everything in full length");
  flags.boolean(options->quiet, "quiet", 'q', "Show only IDs");
  return [options](Cli& cli, const Arguments&) { return list(cli, *options); };
}

Action prepare_remove(FlagSet& flags) {
  auto force = std::make_shared<bool>(false);
  flags.boolean(*force, "force", 'f', "No error when it is not there");
  return [force](Cli& cli, const Arguments& names) {
    int code = 0;
    for (const std::string& name : names) {
      try {
        cli.api().remove(cat("/networks/", escape_path(name)));
        Cli::out_line(name);
      } catch (const Error& error) {
        if (error.kind() == ErrorKind::unavailable) throw;
        if (*force && error.kind() == ErrorKind::not_found) continue;
        Cli::err_line(cat(error.text(), "\nexit status 1"));
        code = 1;
      }
    }
    return code;
  };
}

struct ConnectOptions {
  std::vector<std::string> aliases, driver_options, links, link_local;
  std::string ip, ip6;
  std::int64_t priority = 0;
};

int connect_container(Cli& cli, const ConnectOptions& options, const Arguments& names) {
  json::object endpoint, ipam;
  if (!options.ip.empty()) ipam["IPv4Address"] = options.ip;
  if (!options.ip6.empty()) ipam["IPv6Address"] = options.ip6;
  if (!options.link_local.empty()) ipam["LinkLocalIPs"] = array_of(options.link_local);
  if (!ipam.empty()) endpoint["IPAMConfig"] = std::move(ipam);
  if (!options.aliases.empty()) endpoint["Aliases"] = array_of(options.aliases);
  if (!options.links.empty()) endpoint["Links"] = array_of(options.links);
  if (!options.driver_options.empty()) endpoint["DriverOpts"] = object_of(pairs_to_map(options.driver_options));
  if (options.priority != 0) endpoint["GwPriority"] = options.priority;
  cli.api().post(cat("/networks/", escape_path(names[0]), "/connect"),
                 json::serialize(json::object{{"Container", names[1]}, {"EndpointConfig", std::move(endpoint)}}));
  return 0;
}

Action prepare_connect(FlagSet& flags) {
  auto options = std::make_shared<ConnectOptions>();
  flags.list(options->aliases, "alias", 0, "One more name in the network", "strings");
  flags.list(options->driver_options, "driver-opt", 0, "Option of the driver", "strings");
  flags.number(options->priority, "gw-priority", 0, "The network with the highest priority is the way out");
  flags.text(options->ip, "ip", 0, "IPv4 address");
  flags.text(options->ip6, "ip6", 0, "IPv6 address");
  flags.list(options->links, "link", 0, "Link to another container");
  flags.list(options->link_local, "link-local-ip", 0, "Link-local address", "strings");
  return [options](Cli& cli, const Arguments& names) { return connect_container(cli, *options, names); };
}

Action prepare_disconnect(FlagSet& flags) {
  auto force = std::make_shared<bool>(false);
  flags.boolean(*force, "force", 'f', "Disconnect it even if it is in use");
  return [force](Cli& cli, const Arguments& names) {
    cli.api().post(cat("/networks/", escape_path(names[0]), "/disconnect"),
                   json::serialize(json::object{{"Container", names[1]}, {"Force", *force}}));
    return 0;
  };
}

constexpr auto kParse = AfterPositional::keep_parsing;
constexpr Command kCommands[] = {
    {"network create", "[OPTIONS] NETWORK", "Create a network", 1, 1, kParse, prepare_create},
    {"network ls,network list", "[OPTIONS]", "List networks", 0, 0, kParse, prepare_list},
    {"network rm,network remove", "NETWORK [NETWORK...]", "Remove networks", 1, kNoLimit, kParse, prepare_remove},
    {"network connect", "[OPTIONS] NETWORK CONTAINER", "Connect a container to a network", 2, 2, kParse,
     prepare_connect},
    {"network disconnect", "[OPTIONS] NETWORK CONTAINER", "Disconnect a container from a network", 2, 2, kParse,
     prepare_disconnect},
};

}  // namespace

std::span<const Command> network_commands() { return kCommands; }

}  // namespace berth::cli
