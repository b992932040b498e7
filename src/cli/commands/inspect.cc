#include "cli/commands/inspect.h"

#include <algorithm>
#include <array>

#include "base/core/text.h"
#include "base/json/json.h"
#include "cli/commands/commands.h"
#include "cli/commands/pull.h"
#include "cli/text/rows.h"

namespace berth::cli {

namespace {

struct Kind {
  std::string_view name, path, suffix;
};

/// In the order in which a name without a type is looked for.
constexpr std::array kKinds = {Kind{"container", "/containers/", "/json"}, Kind{"image", "/images/", "/json"},
                               Kind{"network", "/networks/", ""}, Kind{"volume", "/volumes/", ""}};
constexpr std::array<std::string_view, 6> kLaterKinds = {"node", "service", "secret", "config", "task", "plugin"};

std::string fetch(Cli& cli, const Kind& kind, const std::string& name, const std::string& query) {
  return cli.api().text({.path = cat(kind.path, escape_path(name), kind.suffix, query)});
}

}  // namespace

int inspect_all(const std::vector<std::string>& names, const std::string& format,
                const std::function<std::string(const std::string&)>& get) {
  std::optional<tmpl::Template> wanted;
  if (!format.empty()) {
    try {
      wanted.emplace(format == "json" ? "{{json .}}" : format);
    } catch (const Error& error) {
      Cli::err_line(cat("template parsing error: ", error.text()));
      return 64;  // what docker ends with for a template that can't be read
    }
  }
  std::vector<std::string> found, errors;
  std::string out;
  for (const std::string& name : names) {
    try {
      found.push_back(get(name));
      if (!wanted) continue;
      const boost::json::value document = json::parse(found.back());
      try {
        out += cat(wanted->run(tmpl::Value::borrow(document)), "\n");
      } catch (const Error& error) {
        throw invalid(cat("template parsing error: ", error.text()));
      }
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::unavailable) throw;
      errors.push_back(error.text());
    }
  }
  if (!wanted) {
    std::string list = "[";
    for (const std::string& document : found) list += cat(list.size() > 1 ? "," : "", trim(document));
    out = cat(indent_json(list + "]", "    "), "\n");
  }
  // An empty answer of --format still ends its line.
  Cli::out(wanted && out.empty() ? "\n" : out);
  if (errors.empty()) return 0;
  Cli::err_line(join(errors, "\n"));
  return 1;
}

namespace {

struct InspectOptions {
  std::string format, type, platform;
  bool size = false;
};

std::string find_any(Cli& cli, const InspectOptions& options, const std::string& name) {
  for (const Kind& kind : kKinds) {
    if (!options.type.empty() && kind.name != options.type) continue;
    const std::string query = options.size && kind.name == "container" ? "?size=1" : "";
    if (!options.type.empty()) return fetch(cli, kind, name, query);
    try {
      return fetch(cli, kind, name, query);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::not_implemented) throw;
    }
  }
  throw not_found(cat("Error: No such object: ", name));
}

int inspect(Cli& cli, const InspectOptions& options, const Arguments& names) {
  for (const std::string_view later : kLaterKinds) {
    if (options.type == later) throw not_implemented(cat("inspecting a ", later, " is not implemented by Berth yet"));
  }
  if (!options.type.empty() && std::ranges::find(kKinds, options.type, &Kind::name) == kKinds.end()) {
    throw invalid(cat("unknown type: ", quoted(options.type),
                      ": must be one of \"config\", \"container\", \"image\", "
                      "\"network\", \"node\", \"plugin\", \"secret\", \"service\", \"task\", \"volume\""));
  }
  return inspect_all(names, options.format, [&](const std::string& name) { return find_any(cli, options, name); });
}

constexpr const char* kInspectFormatHelp = "How to print: json, or a Go TEMPLATE (default: indented JSON)";

Action prepare_inspect(FlagSet& flags) {
  auto options = std::make_shared<InspectOptions>();
  flags.text(options->format, "format", 'f', kInspectFormatHelp);
  flags.boolean(options->size, "size", 's', "Show the sizes of containers");
  flags.text(options->type, "type", 0, "Look only for this type (container, image, network, volume)");
  return [options](Cli& cli, const Arguments& names) { return inspect(cli, *options, names); };
}

Action typed(FlagSet& flags, std::string_view type) {
  auto options = std::make_shared<InspectOptions>();
  auto verbose = std::make_shared<bool>(false);
  const Kind& kind = *std::ranges::find(kKinds, type, &Kind::name);
  flags.text(options->format, "format", 'f', kInspectFormatHelp);
  if (type == "container") flags.boolean(options->size, "size", 's', "Show the sizes");
  if (type == "image") flags.text(options->platform, "platform", 0, "Of the image's variant for this platform");
  if (type == "network") flags.boolean(*verbose, "verbose", 'v', "Show more for diagnosis");
  return [options, verbose, kind](Cli& cli, const Arguments& names) {
    const std::string platform = platform_json(options->platform);
    const std::string query = Query{}
                                  .add_if(options->size, "size")
                                  .add_if(*verbose, "verbose")
                                  .add_if(!platform.empty(), "platform", platform)
                                  .text();
    return inspect_all(names, options->format, [&](const std::string& name) { return fetch(cli, kind, name, query); });
  };
}

Action prepare_container(FlagSet& flags) { return typed(flags, "container"); }
Action prepare_image(FlagSet& flags) { return typed(flags, "image"); }
Action prepare_network(FlagSet& flags) { return typed(flags, "network"); }
Action prepare_volume(FlagSet& flags) { return typed(flags, "volume"); }

constexpr auto kParse = AfterPositional::keep_parsing;
constexpr Command kCommands[] = {
    {"inspect", "[OPTIONS] NAME|ID [NAME|ID...]", "Show all that is known of objects", 1, kNoLimit, kParse,
     prepare_inspect},
    {"container inspect", "[OPTIONS] CONTAINER [CONTAINER...]", "Show all that is known of containers", 1, kNoLimit,
     kParse, prepare_container},
    {"image inspect", "[OPTIONS] IMAGE [IMAGE...]", "Show all that is known of images", 1, kNoLimit, kParse,
     prepare_image},
    {"network inspect", "[OPTIONS] NETWORK [NETWORK...]", "Show all that is known of networks", 1, kNoLimit, kParse,
     prepare_network},
    {"volume inspect", "[OPTIONS] VOLUME [VOLUME...]", "Show all that is known of volumes", 1, kNoLimit, kParse,
     prepare_volume},
};

}  // namespace

std::span<const Command> inspect_commands() { return kCommands; }

}  // namespace berth::cli
