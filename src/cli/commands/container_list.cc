#include <algorithm>
#include <set>

#include "base/core/text.h"
#include "cli/commands/commands.h"
#include "cli/json_view.h"
#include "cli/options/filters.h"
#include "cli/text/container_row.h"

namespace berth::cli {

namespace {

struct ListOptions {
  bool all = false, latest = false, no_trunc = false, quiet = false, size = false;
  std::int64_t last = -1;
  std::string format;
  std::vector<std::string> filters;
};

std::string default_format(const ListOptions& options) {
  if (options.quiet) return "{{.ID}}";
  return options.size ? cat(kContainerTable, "\\t{{.Size}}") : std::string{kContainerTable};
}

int list(Cli& cli, const ListOptions& options) {
  std::string format = options.format;
  const bool plain = format.empty() || format == "table";
  if (plain)
    format = default_format(options);
  else if (options.quiet && (format == "json" || format.starts_with("table")))
    format = "{{.ID}}";
  const std::int64_t limit = options.latest && options.last == -1 ? 1 : options.last;
  // The size of a container is dear to find out: it is asked for only where it will be shown.
  const bool size = options.size || (!plain && format.find(".Size") != std::string::npos);
  const Query query = Query{}
                          .add_if(options.all, "all")
                          .add_if(limit > 0, "limit", cat(limit))
                          .add_if(size, "size")
                          .add_if(!options.filters.empty(), "filters", filters_json(options.filters));
  const Json containers = cli.api().get(cat("/containers/json", query.text()));
  std::vector<Row> rows;
  for (const Json& container : as_array(containers)) rows.push_back(container_row(container, options.no_trunc));
  Cli::out(render_rows(container_list_format(), format, rows));
  return 0;
}

Action prepare_list(FlagSet& flags) {
  auto options = std::make_shared<ListOptions>();
  flags.boolean(options->all, "all", 'a', "Show stopped containers too");
  declare_filter(flags, options->filters, 'f', "Show only what fits (status=exited, name=web, …)");
  flags.text(options->format, "format", 0, kFormatHelp);
  flags.number(options->last, "last", 'n', "Show the n containers created last, in any state");
  flags.boolean(options->latest, "latest", 'l', "Show the container created last, in any state");
  flags.boolean(options->no_trunc, "no-trunc", 0, "Show everything in full length");
  flags.boolean(options->quiet, "quiet", 'q', "Show only IDs");
  flags.boolean(options->size, "size", 's', "Show the disk space of each container");
  return [options](Cli& cli, const Arguments&) { return list(cli, *options); };
}

constexpr Command kCommands[] = {
    {"container ls,container list,container ps,ps", "[OPTIONS]", "List containers", 0, 0, AfterPositional::keep_parsing,
     prepare_list},
};

}  // namespace

std::span<const Command> container_list_commands() { return kCommands; }

}  // namespace berth::cli
