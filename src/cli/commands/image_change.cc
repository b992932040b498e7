#include <unistd.h>

#include "base/core/text.h"
#include "base/sys/file.h"
#include "cli/commands/commands.h"
#include "cli/commands/fd_source.h"
#include "cli/commands/pull.h"
#include "cli/commands/reply_file.h"
#include "cli/files.h"
#include "cli/json_view.h"
#include "cli/stream/terminal.h"
#include "oci/reference.h"

namespace berth::cli {

namespace {

Action prepare_tag(FlagSet&) {
  return [](Cli& cli, const Arguments& arguments) {
    oci::Reference target;
    try {
      target = oci::parse_reference(arguments[1]);
    } catch (Error& error) {
      error.during(cat("Error parsing reference: ", quoted(arguments[1]), " is not a valid repository/tag"));
      throw;
    }
    if (!target.digest.empty()) throw invalid("refusing to create a tag with a digest reference");
    const Query query =
        Query{}.add("repo", target.familiar_name()).add("tag", target.tag.empty() ? "latest" : target.tag);
    cli.api().post(cat("/images/", escape_path(arguments[0]), "/tag", query.text()));
    return 0;
  };
}

struct RemoveOptions {
  bool force = false, no_prune = false;
  std::vector<std::string> platforms;
};

std::string removed_lines(const Json& removed) {
  std::string out;
  for (const Json& item : as_array(removed)) {
    if (const std::string id = text_at(item, "Deleted"); !id.empty())
      out += cat("Deleted: ", id, "\n");
    else
      out += cat("Untagged: ", text_at(item, "Untagged"), "\n");
  }
  return out;
}

int remove_images(Cli& cli, const RemoveOptions& options, const Arguments& images) {
  Query query = Query{}.add_if(options.force, "force").add_if(options.no_prune, "noprune");
  for (const std::string& platform : options.platforms) query.add("platforms", platform_json(platform));
  std::vector<std::string> errors;
  bool fatal = false;
  for (const std::string& image : images) {
    try {
      Cli::out(removed_lines(cli.api().remove(cat("/images/", escape_path(image), query.text()))));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::unavailable) throw;
      if (error.kind() != ErrorKind::not_found) fatal = true;
      errors.push_back(error.text());
    }
  }
  if (errors.empty()) return 0;
  Cli::err_line(join(errors, "\n"));
  return options.force && !fatal ? 0 : 1;
}

Action prepare_remove(FlagSet& flags) {
  auto options = std::make_shared<RemoveOptions>();
  flags.boolean(options->force, "force", 'f', "Remove it although stopped containers or other tags use it");
  flags.boolean(options->no_prune, "no-prune", 0, "Keep parents that have no tag");
  flags.list(options->platforms, "platform", 0, "Only the variant for this platform", "strings");
  return [options](Cli& cli, const Arguments& images) { return remove_images(cli, *options, images); };
}

struct ImportOptions {
  std::vector<std::string> changes;
  std::string message, platform;
};

int import(Cli& cli, const ImportOptions& options, const Arguments& arguments) {
  const std::string& source = arguments[0];
  const bool is_url = source.starts_with("http://") || source.starts_with("https://");
  Query query;
  query.add("fromSrc", is_url ? source : "-");
  if (arguments.size() == 2) {
    const oci::Reference target = oci::parse_reference(arguments[1]);
    query.add("repo", target.familiar_name()).add_if(!target.tag.empty(), "tag", target.tag);
  }
  for (const std::string& change : options.changes) query.add("changes", change);
  query.add_if(!options.message.empty(), "message", options.message);
  query.add_if(!options.platform.empty(), "platform", options.platform);
  sys::UniqueFd file;
  if (!is_url && source != "-") file = open_given_file(source);
  FdSource input{file ? sys::FdRef{file} : sys::FdRef::borrow(STDIN_FILENO)};
  Reply reply = cli.api().open(
      {.method = "POST", .path = cat("/images/create", query.text()), .upload = is_url ? nullptr : &input});
  show_progress(reply, [](const std::string& text) { Cli::out(text); });
  return 0;
}

Action prepare_import(FlagSet& flags) {
  auto options = std::make_shared<ImportOptions>();
  flags.list(options->changes, "change", 'c', "Dockerfile instruction to apply to the image");
  flags.text(options->message, "message", 'm', "Commit message of the image");
  flags.text(options->platform, "platform", 0, "Platform of the image (os/arch)");
  return [options](Cli& cli, const Arguments& arguments) { return import(cli, *options, arguments); };
}

struct LoadOptions {
  std::string input, platform;
  bool quiet = false;
};

int load(Cli& cli, const LoadOptions& options) {
  sys::UniqueFd file;
  if (!options.input.empty())
    file = open_given_file(options.input);
  else if (is_terminal(STDIN_FILENO))
    throw invalid("requested load from stdin, but stdin is empty");
  FdSource input{file ? sys::FdRef{file} : sys::FdRef::borrow(STDIN_FILENO)};
  const bool quiet = options.quiet || !is_terminal(STDOUT_FILENO);
  const Query query = Query{}
                          .add("quiet", quiet ? "1" : "0")
                          .add_if(!options.platform.empty(), "platform", platform_json(options.platform));
  Reply reply = cli.api().open({.method = "POST", .path = cat("/images/load", query.text()), .upload = &input});
  show_progress(reply, [](const std::string& text) { Cli::out(text); });
  return 0;
}

Action prepare_load(FlagSet& flags) {
  auto options = std::make_shared<LoadOptions>();
  flags.text(options->input, "input", 'i', "Read this file instead of stdin");
  flags.text(options->platform, "platform", 0, "Load only the variant for this platform");
  flags.boolean(options->quiet, "quiet", 'q', "Don't show the progress");
  return [options](Cli& cli, const Arguments&) { return load(cli, *options); };
}

struct SaveOptions {
  std::string output, platform;
};

int save(Cli& cli, const SaveOptions& options, const Arguments& images) {
  if (options.output.empty() && is_terminal(STDOUT_FILENO)) {
    throw invalid("cowardly refusing to save to a terminal. Use the -o flag or redirect");
  }
  Query query;
  for (const std::string& image : images) query.add("names", image);
  query.add_if(!options.platform.empty(), "platform", platform_json(options.platform));
  if (!options.output.empty()) check_output(options.output, "failed to save image");
  Reply reply = cli.api().open({.path = cat("/images/get", query.text())});
  if (options.output.empty())
    copy_reply(reply, sys::FdRef::borrow(STDOUT_FILENO));
  else
    save_reply(reply, options.output);
  return 0;
}

Action prepare_save(FlagSet& flags) {
  auto options = std::make_shared<SaveOptions>();
  flags.text(options->output, "output", 'o', "Write to this file instead of stdout");
  flags.text(options->platform, "platform", 0, "Save only the variant for this platform");
  return [options](Cli& cli, const Arguments& images) { return save(cli, *options, images); };
}

constexpr auto kParse = AfterPositional::keep_parsing;
constexpr Command kCommands[] = {
    {"image tag,tag", "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", "Give an image one more name", 2, 2, kParse,
     prepare_tag},
    {"image rm,image remove,rmi", "[OPTIONS] IMAGE [IMAGE...]", "Remove images", 1, kNoLimit, kParse, prepare_remove},
    {"image import,import", "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]", "Make an image of a file tree in a tar archive",
     1, 2, kParse, prepare_import},
    {"image load,load", "[OPTIONS]", "Load images from an archive", 0, 0, kParse, prepare_load},
    {"image save,save", "[OPTIONS] IMAGE [IMAGE...]", "Save images to an archive (to stdout by default)", 1, kNoLimit,
     kParse, prepare_save},
};

}  // namespace

std::span<const Command> image_change_commands() { return kCommands; }

}  // namespace berth::cli
