#include "base/core/text.h"
#include "base/json/json.h"
#include "cli/commands/commands.h"
#include "cli/json_view.h"
#include "cli/text/units.h"

namespace berth::cli {

namespace {

std::string problem_text(const Json& problem) {
  std::string text = cat(text_at(problem, "Kind"), " ", text_at(problem, "Object"), ": ", text_at(problem, "ID"),
                         "\n  ", text_at(problem, "Message"), "\n");
  const auto list = [&](std::string_view label, const char* name) {
    const std::vector<std::string> items = texts_at(problem, name);
    if (!items.empty()) text += cat("  ", label, ": ", join(items, ", "), "\n");
  };
  list("images", "Images");
  list("containers", "Containers");
  if (bool_at(problem, "Repaired")) text += "  repaired\n";
  return text;
}

std::string summary_text(const Json& summary) {
  const auto count = [&](const char* name) { return number_at(summary, name); };
  std::string text =
      cat(count("Images"), " images, ", count("Documents"), " documents, ", count("Layers"), " layers of ",
          human_size(static_cast<double>(count("Bytes"))), ", ", count("Containers"), " containers: ");
  text += count("Problems") == 0 ? "no problems"
                                 : cat(count("Problems"), count("Problems") == 1 ? " problem" : " problems");
  if (count("Repaired") != 0) text += cat(", ", count("Repaired"), " repaired");
  return text + "\n";
}

/// 0 when nothing is wrong any more, like other fsck programs.
int fsck(Cli& cli, bool repair) {
  const Query query = Query{}.add_if(repair, "repair");
  Reply reply = cli.api().open({.method = "POST", .path = cat("/system/fsck", query.text())});
  while (const auto line = reply.read_line()) {
    if (trim(*line).empty()) continue;
    const Json entry = berth::json::parse(*line);
    if (const std::string error = text_at(entry, "error"); !error.empty()) throw system_error(error);
    if (const Json* problem = find_at(entry, "Problem")) Cli::out(problem_text(*problem));
    const Json* summary = find_at(entry, "Summary");
    if (summary == nullptr) continue;  // or progress
    Cli::out(summary_text(*summary));
    return number_at(*summary, "Problems") == number_at(*summary, "Repaired") ? 0 : 1;
  }
  throw system_error("the daemon broke off the check");
}

Action prepare_fsck(FlagSet& flags) {
  auto repair = std::make_shared<bool>();
  flags.boolean(*repair, "repair", 0, "Remove what nobody needs, and damaged layers under no container");
  return [repair](Cli& cli, const Arguments&) { return fsck(cli, *repair); };
}

constexpr Command kCommands[] = {
    {"system fsck", "[OPTIONS]", "Verify all images, layers and references, also while they are in use", 0, 0,
     AfterPositional::keep_parsing, prepare_fsck},
};

}  // namespace

std::span<const Command> fsck_commands() { return kCommands; }

}  // namespace berth::cli
