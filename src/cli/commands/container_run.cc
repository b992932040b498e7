#include <unistd.h>

#include <boost/json/serialize.hpp>

#include "base/core/text.h"
#include "base/sys/file.h"
#include "cli/commands/attached.h"
#include "cli/commands/commands.h"
#include "cli/commands/pull.h"
#include "cli/json_view.h"
#include "cli/options/container_flags.h"

namespace berth::cli {

namespace {

constexpr int kDaemonFailure = 125;

struct RunOptions {
  ContainerFlags container;
  bool detach = false, sig_proxy = true;
  const FlagSet* flags = nullptr;
};

/// docker's way to end a command that failed before the container's own program ran.
int fail(std::string_view command, const std::string& text, int code) {
  Cli::err_line(cat("berth: ", text, "\n\nRun 'berth ", command, " --help' for more information"));
  return code;
}

/// The file that --cidfile names: must be new, and goes away again unless an ID was written.
class CidFile {
 public:
  explicit CidFile(const std::string& path) : path_(path) {
    if (path_.empty()) return;
    if (sys::exists(path_)) {
      throw invalid(cat("container ID file found, make sure the other container isn't running or delete ", path_));
    }
  }
  void write(const std::string& id) const {
    if (!path_.empty()) sys::write_file(path_, id);
  }

 private:
  std::string path_;
};

std::string create_once(Cli& cli, const CreateRequest& request) {
  const Query query = Query{}
                          .add_if(!request.name.empty(), "name", request.name)
                          .add_if(!request.platform.empty(), "platform", request.platform);
  const Json created = cli.api().post(cat("/containers/create", query.text()), boost::json::serialize(request.body));
  for (const std::string& warning : texts_at(created, "Warnings")) Cli::err_line(cat("WARNING: ", warning));
  return text_at(created, "Id");
}

/// Creates the container; an image that is missing is pulled first, as --pull allows.
std::string create(Cli& cli, const ContainerFlags& flags, const CreateRequest& request, const std::string& image) {
  const CidFile cid_file{flags.cid_file};
  if (flags.pull == "always") pull_image(cli, image, flags.platform, flags.quiet);
  std::string id;
  try {
    id = create_once(cli, request);
  } catch (const Error& error) {
    const bool no_image =
        error.kind() == ErrorKind::not_found && error.text().find("No such image") != std::string::npos;
    if (!no_image || flags.pull != "missing") throw;
    if (!flags.quiet) Cli::err_line(cat("Unable to find image '", with_default_tag(image), "' locally"));
    pull_image(cli, image, flags.platform, flags.quiet);
    id = create_once(cli, request);
  }
  cid_file.write(id);
  return id;
}

void set_console_size(CreateRequest& request) {
  const auto size = request.tty ? terminal_size(STDOUT_FILENO) : std::nullopt;
  if (!size) return;
  request.body["HostConfig"].as_object()["ConsoleSize"] = boost::json::array{size->rows, size->columns};
}

void detach_streams(CreateRequest& request, const ContainerFlags& flags) {
  if (!flags.attach.empty()) throw invalid("conflicting options: cannot specify both --attach and --detach");
  request.attach_stdin = request.attach_stdout = request.attach_stderr = false;
  for (const char* name : {"AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce"}) request.body[name] = false;
}

/// Our own mistakes in flags end with 125, and point to the help.
std::optional<CreateRequest> read_flags(std::string_view command, const RunOptions& options,
                                        const Arguments& arguments) {
  try {
    return make_create_request(options.container, *options.flags, arguments);
  } catch (const Error& error) {
    fail(command, error.text(), kDaemonFailure);
    return std::nullopt;
  }
}

/// create, attach, wait, start: attached and waited for before the start, so that nothing is missed.
int run_attached(Cli& cli, const RunOptions& options, const CreateRequest& request, const std::string& id) {
  Attached attached{cli,
                    id,
                    {.input = request.attach_stdin,
                     .output = request.attach_stdout,
                     .error = request.attach_stderr,
                     .tty = request.tty,
                     .sig_proxy = options.sig_proxy,
                     .detach_keys = options.container.detach_keys}};
  attached.forward_signals();
  PendingWait wait{cli, id, options.container.remove ? "removed" : "next-exit"};
  try {
    cli.api().post(cat("/containers/", id, "/start"));
  } catch (const Error& error) {
    if (options.container.remove) wait.until_done();  // the daemon removes it; be gone only when it is
    return fail("run", error.text(), start_failure_code(error.text()));
  }
  if (request.tty) attached.resize();
  if (!request.attach_stdout && !request.attach_stderr) Cli::out_line(id);
  if (attached.run() == PumpEnd::detached) {
    Cli::err("\r\n");
    return 0;
  }
  return wait.exit_code();
}

int run(Cli& cli, const RunOptions& options, const Arguments& arguments) {
  auto read = read_flags("run", options, arguments);
  if (!read) return kDaemonFailure;
  CreateRequest& request = *read;
  if (options.detach)
    detach_streams(request, options.container);
  else
    check_terminal(request.attach_stdin, request.tty);
  set_console_size(request);
  std::string id;
  try {
    id = create(cli, options.container, request, arguments.front());
  } catch (const Error& error) {
    return fail("run", error.text(), kDaemonFailure);
  }
  const bool attach = request.attach_stdin || request.attach_stdout || request.attach_stderr;
  if (attach) return run_attached(cli, options, request, id);
  try {
    cli.api().post(cat("/containers/", id, "/start"));
  } catch (const Error& error) {
    return fail("run", error.text(), start_failure_code(error.text()));
  }
  Cli::out_line(id);
  return 0;
}

int create_only(Cli& cli, const RunOptions& options, const Arguments& arguments) {
  auto request = read_flags("create", options, arguments);
  if (!request) return kDaemonFailure;
  set_console_size(*request);
  Cli::out_line(create(cli, options.container, *request, arguments.front()));
  return 0;
}

Action prepare_run(FlagSet& flags) {
  auto options = std::make_shared<RunOptions>();
  options->flags = &flags;
  declare_container_flags(flags, options->container);
  flags.boolean(options->detach, "detach", 'd', "Run in the background and print the container's ID");
  flags.boolean(options->sig_proxy, "sig-proxy", 0, "Pass signals on to the process");
  return [options](Cli& cli, const Arguments& arguments) { return run(cli, *options, arguments); };
}

Action prepare_create(FlagSet& flags) {
  auto options = std::make_shared<RunOptions>();
  options->flags = &flags;
  declare_container_flags(flags, options->container);
  return [options](Cli& cli, const Arguments& arguments) { return create_only(cli, *options, arguments); };
}

constexpr Command kCommands[] = {
    {"container run,run", "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create a container and run it", 1, kNoLimit,
     AfterPositional::stop, prepare_run},
    {"container create,create", "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create a container", 1, kNoLimit,
     AfterPositional::stop, prepare_create},
};

}  // namespace

std::span<const Command> container_run_commands() { return kCommands; }

}  // namespace berth::cli
