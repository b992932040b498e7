// berth diff, export, commit
#include <fcntl.h>
#include <unistd.h>

#include "base/core/text.h"
#include "base/sys/file.h"
#include "cli/commands/commands.h"
#include "cli/commands/reply_file.h"
#include "cli/json_view.h"
#include "cli/stream/terminal.h"

namespace berth::cli {

namespace {

int diff(Cli& cli, const std::string& container) {
  if (container.empty()) throw invalid("Container name cannot be empty");
  constexpr std::string_view kKinds = "CAD";
  std::string out;
  for (const Json& change : as_array(cli.api().get(cat("/containers/", escape_url(container), "/changes")))) {
    const auto kind = static_cast<std::size_t>(number_at(change, "Kind"));
    out += cat(kind < kKinds.size() ? kKinds[kind] : '?', " ", text_at(change, "Path"), "\n");
  }
  Cli::out(out);
  return 0;
}

Action prepare_diff(FlagSet&) {
  return [](Cli& cli, const Arguments& arguments) { return diff(cli, arguments[0]); };
}

int export_tree(Cli& cli, const std::string& output, const std::string& container) {
  if (output.empty() && is_terminal(STDOUT_FILENO)) {
    throw invalid("cowardly refusing to save to a terminal. Use the -o flag or redirect");
  }
  if (!output.empty()) check_output(output, "failed to export container");
  Reply reply = cli.api().open({.path = cat("/containers/", escape_url(container), "/export")});
  if (output.empty())
    copy_reply(reply, sys::FdRef::borrow(STDOUT_FILENO));
  else
    save_reply(reply, output);
  return 0;
}

Action prepare_export(FlagSet& flags) {
  auto output = std::make_shared<std::string>();
  flags.text(*output, "output", 'o', "Write to this file instead of stdout");
  return [output](Cli& cli, const Arguments& arguments) { return export_tree(cli, *output, arguments[0]); };
}

struct CommitOptions {
  bool pause = true;
  std::string message, author;
  std::vector<std::string> changes;
};

int commit(Cli& cli, const CommitOptions& options, const Arguments& arguments) {
  Query query;
  query.add("container", arguments[0]).add("author", options.author).add("comment", options.message);
  for (const std::string& change : options.changes) query.add("changes", change);
  if (arguments.size() == 2) {
    const std::string& target = arguments[1];
    if (target.find('@') != std::string::npos) throw invalid("refusing to create a tag with a digest reference");
    const std::size_t slash = target.rfind('/');
    const std::size_t colon = target.find(':', slash == std::string::npos ? 0 : slash);
    query.add("repo", target.substr(0, colon));
    query.add("tag", colon == std::string::npos ? "latest" : target.substr(colon + 1));
  }
  query.add_if(!options.pause, "pause", "0");
  Cli::out_line(text_at(cli.api().post(cat("/commit", query.text())), "Id"));
  return 0;
}

Action prepare_commit(FlagSet& flags) {
  auto options = std::make_shared<CommitOptions>();
  flags.text(options->author, "author", 'a', "Author of the image (\"Jane Doe <jane@example.org>\")");
  flags.list(options->changes, "change", 'c', "Dockerfile instruction to apply to the image");
  flags.text(options->message, "message", 'm', "Commit message of the image");
  flags.boolean(options->pause, "pause", 'p', "Pause the container meanwhile").default_text = "true";
  return [options](Cli& cli, const Arguments& arguments) { return commit(cli, *options, arguments); };
}

constexpr auto kParse = AfterPositional::keep_parsing;
constexpr Command kCommands[] = {
    {"container diff,diff", "CONTAINER", "Show what a container has changed in its file system", 1, 1, kParse,
     prepare_diff},
    {"container export,export", "[OPTIONS] CONTAINER", "Write a container's file system as a tar archive", 1, 1, kParse,
     prepare_export},
    {"container commit,commit", "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
     "Make an image of what a container has changed", 1, 2, kParse, prepare_commit},
};

}  // namespace

std::span<const Command> container_file_commands() { return kCommands; }

}  // namespace berth::cli
