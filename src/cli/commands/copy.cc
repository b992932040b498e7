// berth cp
#include <unistd.h>

#include "archive/chunks.h"
#include "base/core/base64.h"
#include "base/core/text.h"
#include "base/json/json.h"
#include "base/sys/file.h"
#include "cli/commands/commands.h"
#include "cli/commands/fd_source.h"
#include "cli/commands/reply_file.h"
#include "cli/copy/local.h"
#include "cli/copy/progress.h"
#include "cli/json_view.h"
#include "cli/stream/terminal.h"

namespace berth::cli {

namespace {

struct CopyOptions {
  bool follow = false, archive = false, quiet = false;
};

/// What the daemon says of a path (X-Docker-Container-Path-Stat).
struct RemoteStat {
  std::uint32_t mode = 0;
  std::string link_target;
  bool is_folder() const { return (mode >> 31 & 1) != 0; }
  bool is_symlink() const { return (mode >> 27 & 1) != 0; }
  /// A device, a socket, a pipe.
  bool is_special() const { return (mode >> 24 & 7) != 0; }
};

RemoteStat parse_stat(std::string_view header) {
  const Json stat = json::parse(decode_base64(header).value_or("null"));
  return {.mode = static_cast<std::uint32_t>(number_at(stat, "mode")), .link_target = text_at(stat, "linkTarget")};
}

std::string archive_path(const std::string& container, const Query& query) {
  return cat("/containers/", escape_url(container), "/archive", query.text());
}

RemoteStat stat_remote(Cli& cli, const std::string& container, const std::string& path) {
  const Reply reply = cli.api().open({.method = "HEAD", .path = archive_path(container, Query{}.add("path", path))});
  return parse_stat(reply.header("x-docker-container-path-stat"));
}

std::optional<RemoteStat> try_stat_remote(Cli& cli, const std::string& container, const std::string& path) {
  try {
    return stat_remote(cli, container, path);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::unavailable) throw;
    return std::nullopt;  // the copy itself will say what is wrong
  }
}

/// A symlink's target as a path from the container's root.
std::string target_of(const RemoteStat& link, const std::string& path) {
  if (link.link_target.starts_with('/')) return link.link_target;
  return copy::clean_keeping_end(cat(copy::split_entry(path).first, "/", link.link_target), "");
}

void check_local_output(const std::string& path) {
  const std::string folder = copy::parent_of(path);
  if (!folder.empty() && folder != "." && !sys::stat_if_exists(folder)) {
    throw invalid(cat("invalid output path: directory ", quoted(folder), " does not exist"));
  }
  const auto info = sys::stat_if_exists(path);
  if (info && !S_ISDIR(info->st_mode) && !S_ISREG(info->st_mode)) {
    throw invalid(cat("invalid output path: ", quoted(path), " must be a directory or a regular file"));
  }
}

int copy_from(Cli& cli, const CopyOptions& options, const copy::Operand& from, const std::string& to) {
  const bool to_stdout = to == "-";
  const std::string target = to_stdout ? to : copy::absolute_path(to);
  if (!to_stdout) check_local_output(target);
  copy::Source source{.path = from.path};
  if (options.follow) {
    const auto link = try_stat_remote(cli, from.container, from.path);
    if (link && link->is_symlink()) {
      std::tie(source.path, source.rebase_name) = copy::follow_source(from.path, target_of(*link, from.path));
    }
  }
  Reply reply = cli.api().open({.path = archive_path(from.container, Query{}.add("path", source.path))});
  source.is_folder = parse_stat(reply.header("x-docker-container-path-stat")).is_folder();
  if (to_stdout) {
    copy_reply(reply, sys::FdRef::borrow(STDOUT_FILENO));
    return 0;
  }
  copy::CountedSource counted{reply, options.quiet ? "" : "Copying from container - "};
  copy::Plan plan = copy::plan_copy(source, copy::look_at_destination(target));
  if (!source.rebase_name.empty()) {
    // The archive has the target's name; what it becomes is decided under the name that was asked for.
    if (plan.old_base == plan.new_base) plan.new_base = source.rebase_name;
    plan.old_base = copy::split_entry(source.path).second;
  }
  copy::unpack(counted, plan);
  counted.finish(cat("to ", target));
  return 0;
}

int copy_to(Cli& cli, const CopyOptions& options, const std::string& from, const copy::Operand& to) {
  const std::string local = from == "-" ? from : copy::absolute_path(from);
  copy::Destination destination{.path = to.path};
  std::optional<RemoteStat> stat = try_stat_remote(cli, to.container, to.path);
  if (stat && stat->is_symlink()) {
    destination.path = target_of(*stat, to.path);
    stat = try_stat_remote(cli, to.container, destination.path);
  }
  if (stat && stat->is_special()) {
    throw invalid(cat("destination \"", to.container, ":", to.path, "\" must be a directory or a regular file"));
  }
  destination.exists = stat.has_value();
  destination.is_folder = stat && stat->is_folder();

  std::string folder = destination.path;
  std::unique_ptr<ByteSource> content;
  if (local == "-") {
    if (!destination.is_folder) {
      throw invalid(cat("destination \"", to.container, ":", to.path, "\" must be a directory"));
    }
    content = std::make_unique<FdSource>(sys::FdRef::borrow(STDIN_FILENO));
  } else {
    const copy::Source source = copy::look_at_source(local, options.follow);
    const copy::Plan plan = copy::plan_copy(source, destination);
    folder = plan.folder;
    content =
        std::make_unique<archive::WrittenSource>([source, plan](ByteSink& out) { copy::pack(source, plan, out); });
  }
  copy::CountedSource counted{*content, options.quiet ? "" : "Copying to container - "};
  const Query query =
      Query{}.add("path", folder).add("noOverwriteDirNonDir", "true").add_if(options.archive, "copyUIDGID", "true");
  cli.api().open({.method = "PUT", .path = archive_path(to.container, query), .upload = &counted});
  counted.finish(cat("to ", to.container, ":", destination.path));
  return 0;
}

int copy_files(Cli& cli, const CopyOptions& options, const Arguments& arguments) {
  if (arguments[0].empty()) throw invalid("source can not be empty");
  if (arguments[1].empty()) throw invalid("destination can not be empty");
  const copy::Operand from = copy::parse_operand(arguments[0]), to = copy::parse_operand(arguments[1]);
  if (!from.container.empty() && !to.container.empty()) {
    throw invalid("copying between containers is not supported");
  }
  if (!from.container.empty()) return copy_from(cli, options, from, to.path);
  if (!to.container.empty()) return copy_to(cli, options, from.path, to);
  throw invalid("must specify at least one container source");
}

Action prepare_copy(FlagSet& flags) {
  auto options = std::make_shared<CopyOptions>();
  options->quiet = !is_terminal(STDOUT_FILENO);
  flags.boolean(options->follow, "follow-link", 'L', "Copy what a symlink in SRC_PATH leads to");
  flags.boolean(options->archive, "archive", 'a', "Give the files to the container's user");
  flags.boolean(options->quiet, "quiet", 'q', "Don't show the progress (as without a terminal)").default_text = "";
  return [options](Cli& cli, const Arguments& arguments) { return copy_files(cli, *options, arguments); };
}

constexpr Command kCommands[] = {
    {"container cp,cp", "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tberth cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
     "Copy files between a container and the local file system", 2, 2, AfterPositional::keep_parsing, prepare_copy}};

}  // namespace

std::span<const Command> copy_commands() { return kCommands; }

}  // namespace berth::cli
