#include <algorithm>

#include "base/core/text.h"
#include "cli/commands/commands.h"
#include "cli/json_view.h"
#include "cli/options/filters.h"
#include "cli/text/units.h"

namespace berth::cli {

namespace {

struct PruneOptions {
  bool all = false, force = false, volumes = false;
  std::vector<std::string> filters;
};

/// What one kind of prune removed: text to print, and bytes.
struct Pruned {
  std::string text;
  double bytes = 0;
};

std::string filter_query(std::vector<std::string> filters, const std::string& added = {}) {
  if (!added.empty()) filters.push_back(added);
  return Query{}.add_if(!filters.empty(), "filters", filters_json(filters)).text();
}

Pruned list_of(const Json& report, std::string_view member, std::string_view heading) {
  Pruned out{.bytes = double_at(report, "SpaceReclaimed")};
  const std::vector<std::string> names = texts_at(report, member);
  if (!names.empty()) out.text = cat(heading, "\n", join(names, "\n"), "\n\n");
  return out;
}

Pruned prune_containers(Cli& cli, const PruneOptions& options) {
  const Json report = cli.api().post(cat("/containers/prune", filter_query(options.filters)));
  return list_of(report, "ContainersDeleted", "Deleted Containers:");
}

Pruned prune_networks(Cli& cli, const PruneOptions& options) {
  return list_of(cli.api().post(cat("/networks/prune", filter_query(options.filters))), "NetworksDeleted",
                 "Deleted Networks:");
}

Pruned prune_volumes(Cli& cli, const PruneOptions& options) {
  const std::string all = options.all ? "all=true" : "";
  return list_of(cli.api().post(cat("/volumes/prune", filter_query(options.filters, all))), "VolumesDeleted",
                 "Deleted Volumes:");
}

Pruned prune_images(Cli& cli, const PruneOptions& options) {
  const std::string dangling = cat("dangling=", options.all ? "false" : "true");
  const Json report = cli.api().post(cat("/images/prune", filter_query(options.filters, dangling)));
  Pruned out{.bytes = double_at(report, "SpaceReclaimed")};
  for (const Json& image : array_at(report, "ImagesDeleted")) {
    const std::string untagged = text_at(image, "Untagged");
    out.text +=
        untagged.empty() ? cat("deleted: ", text_at(image, "Deleted"), "\n") : cat("untagged: ", untagged, "\n");
  }
  if (!out.text.empty()) out.text = cat("Deleted Images:\n", out.text, "\n");
  return out;
}

bool confirmed(const PruneOptions& options, std::string_view warning) {
  return options.force || Cli::confirm(cat("WARNING! ", warning, "\nAre you sure you want to continue?"));
}

void declare_common(FlagSet& flags, PruneOptions& options) {
  declare_filter(flags, options.filters, 0, "Remove only what fits (until=24h, label=…)");
  flags.boolean(options.force, "force", 'f', "Don't ask");
}

enum class Total { shown, hidden };

int finish(const Pruned& pruned, Total total) {
  Cli::out(pruned.text);
  if (total == Total::shown) Cli::out_line(cat("Total reclaimed space: ", human_size(pruned.bytes)));
  return 0;
}

/// An answer of no is no failure.
int declined() { return 0; }

Action prepare_containers(FlagSet& flags) {
  auto options = std::make_shared<PruneOptions>();
  declare_common(flags, *options);
  return [options](Cli& cli, const Arguments&) {
    if (!confirmed(*options, "This will remove all stopped containers.")) return declined();
    return finish(prune_containers(cli, *options), Total::shown);
  };
}

Action prepare_images(FlagSet& flags) {
  auto options = std::make_shared<PruneOptions>();
  declare_common(flags, *options);
  flags.boolean(options->all, "all", 'a', "Remove every image that no container uses, not just those without a tag");
  return [options](Cli& cli, const Arguments&) {
    const std::string_view warning =
        options->all ? "This will remove all images without at least one container associated to them."
                     : "This will remove all dangling images.";
    if (!confirmed(*options, warning)) return declined();
    return finish(prune_images(cli, *options), Total::shown);
  };
}

Action prepare_volumes(FlagSet& flags) {
  auto options = std::make_shared<PruneOptions>();
  declare_common(flags, *options);
  flags.boolean(options->all, "all", 'a', "Remove volumes with a name too, not just anonymous ones");
  return [options](Cli& cli, const Arguments&) {
    const std::string_view warning =
        options->all ? "This will remove all local volumes not used by at least one container."
                     : "This will remove anonymous local volumes not used by at least one container.";
    if (!confirmed(*options, warning)) return declined();
    return finish(prune_volumes(cli, *options), Total::shown);
  };
}

Action prepare_networks(FlagSet& flags) {
  auto options = std::make_shared<PruneOptions>();
  declare_common(flags, *options);
  return [options](Cli& cli, const Arguments&) {
    if (!confirmed(*options, "This will remove all custom networks not used by at least one container.")) {
      return declined();
    }
    return finish(prune_networks(cli, *options), Total::hidden);
  };
}

std::string system_warning(const PruneOptions& options) {
  std::string text =
      "This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n";
  if (options.volumes) text += "  - all anonymous volumes not used by at least one container\n";
  text +=
      options.all ? "  - all images without at least one container associated to them\n" : "  - all dangling images\n";
  text += options.all ? "  - all build cache\n" : "  - unused build cache\n";
  if (!options.filters.empty()) {
    text += "\n  Items to be pruned will be filtered with:\n";
    for (const std::string& filter : options.filters) text += cat("  - ", filter, "\n");
  }
  return text;
}

int prune_system(Cli& cli, const PruneOptions& options) {
  const bool by_age =
      std::ranges::any_of(options.filters, [](const std::string& f) { return f.starts_with("until="); });
  if (options.volumes && by_age) throw invalid(R"(ERROR: The "until" filter is not supported with "--volumes")");
  if (!confirmed(options, system_warning(options))) return declined();
  PruneOptions volumes = options;
  volumes.all = false;
  double bytes = 0;
  const auto add = [&](const Pruned& pruned) {
    Cli::out(pruned.text);
    bytes += pruned.bytes;
  };
  add(prune_containers(cli, options));
  add(prune_networks(cli, options));
  if (options.volumes) add(prune_volumes(cli, volumes));
  add(prune_images(cli, options));
  Cli::out_line(cat("Total reclaimed space: ", human_size(bytes)));
  return 0;
}

Action prepare_system(FlagSet& flags) {
  auto options = std::make_shared<PruneOptions>();
  declare_common(flags, *options);
  flags.boolean(options->all, "all", 'a', "Remove every image that no container uses, not just those without a tag");
  flags.boolean(options->volumes, "volumes", 0, "Remove anonymous volumes too");
  return [options](Cli& cli, const Arguments&) { return prune_system(cli, *options); };
}

constexpr auto kParse = AfterPositional::keep_parsing;
constexpr Command kCommands[] = {
    {"container prune", "[OPTIONS]", "Remove all stopped containers", 0, 0, kParse, prepare_containers},
    {"image prune", "[OPTIONS]", "Remove unused images", 0, 0, kParse, prepare_images},
    {"volume prune", "[OPTIONS]", "Remove unused volumes", 0, 0, kParse, prepare_volumes},
    {"network prune", "[OPTIONS]", "Remove unused networks", 0, 0, kParse, prepare_networks},
    {"system prune", "[OPTIONS]", "Remove unused containers, networks and images", 0, 0, kParse, prepare_system},
};

}  // namespace

std::span<const Command> prune_commands() { return kCommands; }

}  // namespace berth::cli
