#include <algorithm>

#include "base/core/text.h"
#include "cli/commands/commands.h"
#include "cli/commands/pull.h"
#include "cli/json_view.h"
#include "cli/options/filters.h"
#include "cli/text/image_row.h"
#include "cli/text/image_tree.h"
#include "cli/text/table.h"
#include "cli/text/units.h"

namespace berth::cli {

namespace {

struct ListOptions {
  bool all = false, digests = false, no_trunc = false, quiet = false, tree = false;
  std::string format;
  std::vector<std::string> filters;
};

std::string choose_format(const ListOptions& options) {
  if (!options.format.empty() && options.format != "table") return options.format;
  if (options.quiet) return "{{.ID}}";
  return std::string{options.digests ? kImageDigestTable : kImageTable};
}

/// In Docker's words.
void check_tree(const ListOptions& options) {
  const auto refuse = [](bool given, std::string_view flag) {
    if (given) throw invalid(cat(flag, " is not yet supported with --tree"));
  };
  refuse(options.quiet, "--quiet");
  refuse(options.no_trunc, "--no-trunc");
  refuse(options.digests, "--show-digest");
  refuse(!options.format.empty(), "--format");
}

int list(Cli& cli, const ListOptions& options, const Arguments& arguments) {
  if (options.tree) check_tree(options);
  std::vector<std::string> filters = options.filters;
  if (!arguments.empty()) filters.push_back(cat("reference=", arguments[0]));
  const Query query = Query{}
                          .add_if(options.all, "all")
                          .add_if(!filters.empty(), "filters", filters_json(filters))
                          .add_if(options.tree, "manifests");
  const Json images = cli.api().get(cat("/images/json", query.text()));
  if (options.tree) {
    const bool wants_nameless = std::ranges::any_of(filters, [](const std::string& filter) {
      return filter.starts_with("dangling=") && filter != "dangling=false";
    });
    Cli::out(image_tree(images, options.all || wants_nameless));
    return 0;
  }
  const std::string format = choose_format(options);
  const bool digests = options.digests || format.find(".Digest") != std::string::npos;
  std::vector<Row> rows;
  for (const Json& image : as_array(images)) {
    for (Row& row : image_rows(image, options.no_trunc, digests)) rows.push_back(std::move(row));
  }
  Cli::out(render_rows(image_list_format(), format, rows));
  return 0;
}

Action prepare_list(FlagSet& flags) {
  auto options = std::make_shared<ListOptions>();
  flags.boolean(options->all, "all", 'a', "Show intermediate images too");
  flags.boolean(options->digests, "digests", 0, "Show digests");
  declare_filter(flags, options->filters, 'f',
                 "Show only what fits (dangling=true, label=…, before=…, since=…, reference=…)");
  flags.text(options->format, "format", 0, kFormatHelp);
  flags.boolean(options->no_trunc, "no-trunc", 0, "Show everything in full length");
  flags.boolean(options->quiet, "quiet", 'q', "Show only IDs");
  flags.boolean(options->tree, "tree", 0, "Show the platforms of each image");
  return [options](Cli& cli, const Arguments& arguments) { return list(cli, *options, arguments); };
}

struct HistoryOptions {
  bool human = true, no_trunc = false, quiet = false;
  std::string format, platform;
};

ListFormat history_format() {
  return {.type_name = "*image.historyContext",
          .headings = {{"ID", "IMAGE"},
                       {"CreatedSince", "CREATED"},
                       {"CreatedAt", "CREATED AT"},
                       {"CreatedBy", "CREATED BY"},
                       {"Size", "SIZE"},
                       {"Comment", "COMMENT"}},
          .default_table = "table {{.ID}}\\t{{.CreatedSince}}\\t{{.CreatedBy}}\\t{{.Size}}\\t{{.Comment}}"};
}

int history(Cli& cli, const HistoryOptions& options, const std::string& image) {
  const Query query = Query{}.add_if(!options.platform.empty(), "platform", platform_json(options.platform));
  const Json layers = cli.api().get(cat("/images/", escape_path(image), "/history", query.text()));
  std::string format = options.format;
  if (format.empty() || format == "table") {
    if (options.quiet)
      format = "{{.ID}}";
    else if (!options.human)
      format = "table {{.ID}}\\t{{.CreatedAt}}\\t{{.CreatedBy}}\\t{{.Size}}\\t{{.Comment}}";
  }
  std::vector<Row> rows;
  for (const Json& layer : as_array(layers)) rows.push_back(history_row(layer, options.no_trunc, options.human));
  Cli::out(render_rows(history_format(), format, rows));
  return 0;
}

Action prepare_history(FlagSet& flags) {
  auto options = std::make_shared<HistoryOptions>();
  flags.text(options->format, "format", 0, kFormatHelp);
  flags.boolean(options->human, "human", 'H', "Sizes and times in words");
  flags.boolean(options->no_trunc, "no-trunc", 0, "Show everything in full length");
  flags.text(options->platform, "platform", 0, "Of the image's variant for this platform");
  flags.boolean(options->quiet, "quiet", 'q', "Show only IDs");
  return [options](Cli& cli, const Arguments& arguments) { return history(cli, *options, arguments[0]); };
}

constexpr Command kCommands[] = {
    {"image ls,image list,images", "[OPTIONS] [REPOSITORY[:TAG]]", "List images", 0, 1, AfterPositional::keep_parsing,
     prepare_list},
    {"image history,history", "[OPTIONS] IMAGE", "Show how an image was made", 1, 1, AfterPositional::keep_parsing,
     prepare_history},
};

}  // namespace

std::span<const Command> image_list_commands() { return kCommands; }

}  // namespace berth::cli
