#include <boost/json/serialize.hpp>

#include "base/core/text.h"
#include "cli/commands/commands.h"
#include "cli/json_view.h"
#include "cli/text/rows.h"

namespace berth::cli {

namespace {

std::string path_of(const std::string& container, std::string_view rest = {}) {
  return cat("/containers/", escape_url(container), "/checkpoints", rest);
}

std::shared_ptr<std::string> declare_folder(FlagSet& flags) {
  auto folder = std::make_shared<std::string>();
  flags.text(*folder, "checkpoint-dir", 0, "Use a custom checkpoint storage directory");
  return folder;
}

std::string folder_query(const std::string& folder) { return Query{}.add_if(!folder.empty(), "dir", folder).text(); }

Action prepare_create(FlagSet& flags) {
  auto folder = declare_folder(flags);
  auto leave_running = std::make_shared<bool>(false);
  flags.boolean(*leave_running, "leave-running", 0, "Leave the container running after checkpoint");
  return [folder, leave_running](Cli& cli, const Arguments& arguments) {
    const boost::json::object body{
        {"CheckpointID", arguments[1]}, {"CheckpointDir", *folder}, {"Exit", !*leave_running}};
    cli.api().post(path_of(arguments[0]), boost::json::serialize(body));
    Cli::out_line(arguments[1]);
    return 0;
  };
}

Action prepare_list(FlagSet& flags) {
  auto folder = declare_folder(flags);
  return [folder](Cli& cli, const Arguments& arguments) {
    const Json answer = cli.api().get(path_of(arguments[0], folder_query(*folder)));
    static const ListFormat kFormat{.type_name = "*checkpoint.checkpointContext",
                                    .headings = {{"Name", "CHECKPOINT NAME"}},
                                    .default_table = "table {{.Name}}"};
    std::vector<Row> rows;
    for (const Json& checkpoint : as_array(answer)) {
      rows.emplace_back(kFormat.type_name).set("Name", text_at(checkpoint, "Name"));
    }
    Cli::out(render_rows(kFormat, "", rows));
    return 0;
  };
}

Action prepare_remove(FlagSet& flags) {
  auto folder = declare_folder(flags);
  return [folder](Cli& cli, const Arguments& arguments) {
    cli.api().remove(path_of(arguments[0], cat("/", escape_url(arguments[1]), folder_query(*folder))));
    return 0;
  };
}

constexpr auto kParse = AfterPositional::keep_parsing;
constexpr Command kCommands[] = {
    {"checkpoint create", "[OPTIONS] CONTAINER CHECKPOINT", "Save the processes of a running container", 2, 2, kParse,
     prepare_create},
    {"checkpoint ls,checkpoint list", "[OPTIONS] CONTAINER", "List a container's checkpoints", 1, 1, kParse,
     prepare_list},
    {"checkpoint rm,checkpoint remove", "[OPTIONS] CONTAINER CHECKPOINT", "Remove a checkpoint", 2, 2, kParse,
     prepare_remove},
};

}  // namespace

std::span<const Command> checkpoint_commands() { return kCommands; }

}  // namespace berth::cli
