#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "base/core/text.h"
#include "cli/commands/attached.h"
#include "cli/commands/commands.h"
#include "cli/json_view.h"
#include "cli/options/resources.h"

namespace berth::cli {

namespace {

struct ExecOptions {
  bool detach = false, interactive = false, privileged = false, tty = false;
  std::string detach_keys, user, work_dir;
  std::vector<std::string> environment, environment_files;
};

boost::json::object request_of(const ExecOptions& options, const Arguments& arguments) {
  boost::json::array command, environment;
  for (std::size_t i = 1; i < arguments.size(); ++i) command.emplace_back(arguments[i]);
  for (const std::string& pair : read_environment(options.environment_files, options.environment)) {
    environment.emplace_back(pair);
  }
  boost::json::object body{{"AttachStdin", options.interactive && !options.detach},
                           {"AttachStdout", !options.detach},
                           {"AttachStderr", !options.detach},
                           {"Tty", options.tty},
                           {"Privileged", options.privileged},
                           {"User", options.user},
                           {"WorkingDir", options.work_dir},
                           {"DetachKeys", options.detach_keys},
                           {"Cmd", std::move(command)}};
  if (!environment.empty()) body["Env"] = std::move(environment);
  return body;
}

void resize(Cli& cli, const std::string& id) {
  const auto size = terminal_size(STDOUT_FILENO);
  if (!size || size->rows == 0) return;
  try {
    const Query query = Query{}.add("h", cat(size->rows)).add("w", cat(size->columns));
    cli.api().post(cat("/exec/", id, "/resize", query.text()));
  } catch (const Error&) {  // it has ended meanwhile
  }
}

int exec_attached(Cli& cli, const ExecOptions& options, const std::string& id) {
  boost::json::object body{{"Detach", false}, {"Tty", options.tty}};
  if (const auto size = options.tty ? terminal_size(STDOUT_FILENO) : std::nullopt) {
    body["ConsoleSize"] = boost::json::array{size->rows, size->columns};
  }
  Reply reply = cli.api().open(
      {.method = "POST", .path = cat("/exec/", id, "/start"), .json = boost::json::serialize(body), .upgrade = true});
  std::optional<SignalWatch> signals;
  std::optional<RawTerminal> raw;
  if (options.tty) {
    signals.emplace(SignalWatch::Which::resize_only);
    if (options.interactive && is_terminal(STDIN_FILENO)) raw.emplace(STDIN_FILENO);
    resize(cli, id);
  }
  const PumpEnd end = pump(reply, {.tty = options.tty,
                                   .input = options.interactive,
                                   .detach_keys = options.detach_keys,
                                   .signals = signals ? &*signals : nullptr,
                                   .on_signal = [&](int) { resize(cli, id); }});
  raw.reset();
  if (end == PumpEnd::detached) return 0;
  return static_cast<int>(number_at(cli.api().get(cat("/exec/", id, "/json")), "ExitCode"));
}

int exec(Cli& cli, const ExecOptions& options, const Arguments& arguments) {
  if (!options.detach) check_terminal(options.interactive, options.tty);
  const std::string body = boost::json::serialize(request_of(options, arguments));
  const Json created = cli.api().post(cat("/containers/", escape_url(arguments[0]), "/exec"), body);
  const std::string id = text_at(created, "Id");
  if (id.empty()) throw system_error("exec ID empty");
  if (!options.detach) return exec_attached(cli, options, id);
  cli.api().post(cat("/exec/", id, "/start"),
                 boost::json::serialize(boost::json::object{{"Detach", true}, {"Tty", options.tty}}));
  return 0;
}

Action prepare_exec(FlagSet& flags) {
  auto options = std::make_shared<ExecOptions>();
  flags.boolean(options->detach, "detach", 'd', "Don't wait for it");
  flags.text(options->detach_keys, "detach-keys", 0, "Keys that detach from the command");
  flags.list(options->environment, "env", 'e', "Set an environment variable");
  flags.list(options->environment_files, "env-file", 0, "Set the environment variables of a file");
  flags.boolean(options->interactive, "interactive", 'i', "Pass stdin on");
  flags.boolean(options->privileged, "privileged", 0, "Give every capability");
  flags.boolean(options->tty, "tty", 't', "Give the process a terminal");
  flags.text(options->user, "user", 'u', "Run as NAME|UID[:GROUP|GID]");
  flags.text(options->work_dir, "workdir", 'w', "Working directory inside");
  return [options](Cli& cli, const Arguments& arguments) { return exec(cli, *options, arguments); };
}

constexpr Command kCommands[] = {
    {"container exec,exec", "[OPTIONS] CONTAINER COMMAND [ARG...]", "Run a command in a running container", 2, kNoLimit,
     AfterPositional::stop, prepare_exec},
};

}  // namespace

std::span<const Command> exec_commands() { return kCommands; }

}  // namespace berth::cli
