#include <algorithm>
#include <boost/json/serialize.hpp>

#include "base/core/text.h"
#include "cli/commands/commands.h"
#include "cli/json_view.h"
#include "cli/options/filters.h"
#include "cli/options/resources.h"
#include "cli/text/volume_row.h"

namespace berth::cli {

namespace {

boost::json::object object_of(const std::map<std::string, std::string>& map) {
  boost::json::object out;
  for (const auto& [key, value] : map) out[key] = value;
  return out;
}

struct CreateOptions {
  std::string driver = "local";
  std::vector<std::string> labels, options;
};

int create(Cli& cli, const CreateOptions& options, const Arguments& arguments) {
  boost::json::object body{{"Driver", options.driver},
                           {"DriverOpts", object_of(pairs_to_map(options.options))},
                           {"Labels", object_of(read_labels({}, options.labels))}};
  if (!arguments.empty()) body["Name"] = arguments[0];
  Cli::out_line(text_at(cli.api().post("/volumes/create", boost::json::serialize(body)), "Name"));
  return 0;
}

Action prepare_create(FlagSet& flags) {
  auto options = std::make_shared<CreateOptions>();
  flags.text(options->driver, "driver", 'd', "Volume driver");
  flags.list(options->labels, "label", 0, "Set a label");
  flags.list(options->options, "opt", 'o', "Option of the driver", "map");
  return [options](Cli& cli, const Arguments& arguments) { return create(cli, *options, arguments); };
}

struct ListOptions {
  bool quiet = false;
  std::string format;
  std::vector<std::string> filters;
};

int list(Cli& cli, const ListOptions& options) {
  const Query query = Query{}.add_if(!options.filters.empty(), "filters", filters_json(options.filters));
  const Json answer = cli.api().get(cat("/volumes", query.text()));
  std::vector<const Json*> volumes;
  for (const Json& volume : array_at(answer, "Volumes")) volumes.push_back(&volume);
  std::ranges::sort(volumes, {}, [](const Json* volume) { return text_at(*volume, "Name"); });
  std::vector<Row> rows;
  for (const Json* volume : volumes) rows.push_back(volume_row(*volume));
  const bool plain = options.format.empty() || options.format == "table";
  Cli::out(render_rows(volume_list_format(), options.quiet && plain ? "{{.Name}}" : options.format, rows));
  return 0;
}

Action prepare_list(FlagSet& flags) {
  auto options = std::make_shared<ListOptions>();
  declare_filter(flags, options->filters, 'f', "Show only what fits (dangling=true, driver=…, label=…, name=…)");
  flags.text(options->format, "format", 0, kFormatHelp);
  flags.boolean(options->quiet, "quiet", 'q', "Show only names");
  return [options](Cli& cli, const Arguments&) { return list(cli, *options); };
}

Action prepare_remove(FlagSet& flags) {
  auto force = std::make_shared<bool>(false);
  flags.boolean(*force, "force", 'f', "No error when it is not there");
  return [force](Cli& cli, const Arguments& names) {
    return for_each_argument(cli, names, [&](const std::string& name) {
      cli.api().remove(cat("/volumes/", escape_path(name), Query{}.add_if(*force, "force").text()));
      Cli::out_line(name);
    });
  };
}

constexpr auto kParse = AfterPositional::keep_parsing;
constexpr Command kCommands[] = {
    {"volume create", "[OPTIONS] [VOLUME]", "Create a volume", 0, 1, kParse, prepare_create},
    {"volume ls,volume list", "[OPTIONS]", "List volumes", 0, 0, kParse, prepare_list},
    {"volume rm,volume remove", "[OPTIONS] VOLUME [VOLUME...]", "Remove volumes", 1, kNoLimit, kParse, prepare_remove},
};

}  // namespace

std::span<const Command> volume_commands() { return kCommands; }

}  // namespace berth::cli
