#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/core/text.h"
#include "cli/cli.h"
#include "cli/help.h"

namespace berth::cli {

namespace {

bool has_spelling(const Command& command, std::string_view name) {
  std::string_view rest = command.spellings;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    if (rest.substr(0, comma) == name) return true;
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
  }
  return false;
}

const Command* find_command(std::string_view name) {
  for (const std::span<const Command> group : all_commands()) {
    for (const Command& command : group) {
      if (has_spelling(command, name)) return &command;
    }
  }
  return nullptr;
}

void declare_globals(FlagSet& flags, GlobalOptions& options, bool& version) {
  flags.text(options.config_folder, "config", 0, "Folder of client configuration and TLS files");
  flags.text(options.context, "context", 'c', "Accepted for compatibility; berth has no contexts");
  flags.boolean(options.debug, "debug", 'D', "Debug mode");
  flags.list(options.hosts, "host", 'H', "Address of the daemon (unix://PATH, tcp://HOST:PORT)");
  flags.text(options.log_level, "log-level", 'l',
             "Level of the client's own messages (debug, info, warn, error, fatal)");
  flags.boolean(options.tls, "tls", 0, "Use TLS; implied by --tlsverify");
  flags.text(options.tls_ca, "tlscacert", 0, "Trust only certificates that this CA has signed");
  flags.text(options.tls_certificate, "tlscert", 0, "The client's TLS certificate");
  flags.text(options.tls_key, "tlskey", 0, "The key of the client's TLS certificate");
  flags.boolean(options.tls_verify, "tlsverify", 0, "Use TLS and check the daemon's certificate");
  flags.boolean(version, "version", 'v', "Print the version and quit");
}

/// "" when the number of arguments is right, else docker's text for it.
std::string arity_error(const Command& command, const std::string& name, std::size_t count) {
  if (count >= command.least && count <= command.most) return "";
  const auto plural = [](std::size_t number) { return number == 1 ? "argument" : "arguments"; };
  std::string what;
  if (command.most == 0)
    what = "accepts no arguments";
  else if (command.least == command.most)
    what = cat("requires ", command.least, " ", plural(command.least));
  else if (command.most == kNoLimit)
    what = cat("requires at least ", command.least, " ", plural(command.least));
  else if (command.least == 0)
    what = cat("requires at most ", command.most, " ", plural(command.most));
  else
    what = cat("requires at least ", command.least, " and at most ", command.most, " ", plural(command.most));
  return cat("berth: 'berth ", name, "' ", what, "\n\nUsage:  berth ", name, command.usage.empty() ? "" : " ",
             command.usage, command.most == kNoLimit ? "\n\nSee '" : "\n\nRun '", "berth ", name,
             " --help' for more information");
}

int run_one(const Command& command, const std::string& name, const std::vector<std::string>& words,
            GlobalOptions options) {
  if (command.prepare == nullptr) {
    Cli::err_line(cat("berth: 'berth ", name, "' is not implemented by Berth yet"));
    return 1;
  }
  FlagSet flags;
  const Action action = command.prepare(flags);
  Arguments arguments;
  try {
    arguments = flags.parse(words, command.after);
  } catch (const Error& error) {
    Cli::err_line(cat(error.text(), "\n\nUsage:  berth ", name, command.usage.empty() ? "" : " ", command.usage,
                      "\n\nRun 'berth ", name, " --help' for more information"));
    return 125;
  }
  if (flags.help_wanted()) {
    Cli::out(command_help(command, name, flags));
    return 0;
  }
  if (const std::string wrong = arity_error(command, name, arguments.size()); !wrong.empty()) {
    Cli::err_line(wrong);
    return 1;
  }
  Cli cli{std::move(options)};
  try {
    return action(cli, arguments);
  } catch (const Error& error) {
    Cli::err_line(error.text());
    return 1;
  }
}

int unknown(std::string_view name, std::string_view usage_name) {
  Cli::err_line(cat("berth: unknown command: berth ", name, usage_name.empty() ? "" : "\n\nUsage:  berth ", usage_name,
                    "\n\nRun 'berth ", usage_name, usage_name.empty() ? "" : " ", "--help' for more information"));
  return 1;
}

int run_group(const std::string& group, std::vector<std::string> words, GlobalOptions options) {
  if (words.empty()) {
    Cli::err(group_help(group));
    return 0;
  }
  if (words.front() == "--help" || words.front() == "-h" || words.front() == "help") {
    Cli::out(group_help(group));
    return 0;
  }
  if (words.front().starts_with('-')) {
    Cli::err_line(cat("unknown flag: ", words.front(), "\n\nUsage:  berth ", group, "\n\nRun 'berth ", group,
                      " --help' for more information"));
    return 125;
  }
  const std::string name = cat(group, " ", words.front());
  words.erase(words.begin());
  if (!words.empty() && is_later(name)) {
    Cli::err_line(cat("berth: 'berth ", name, "' is not implemented by Berth yet"));
    return 1;
  }
  const Command* command = find_command(name);
  if (command == nullptr) return unknown(name, group);
  return run_one(*command, name, words, std::move(options));
}

}  // namespace

int run_command_line(const std::vector<std::string>& words) {
  GlobalOptions options;
  bool version = false;
  FlagSet globals;
  declare_globals(globals, options, version);
  std::vector<std::string> rest;
  try {
    rest = globals.parse(words, AfterPositional::stop);
  } catch (const Error& error) {
    Cli::err_line(cat(error.text(), "\n\nUsage:  berth [OPTIONS] COMMAND\n\nRun 'berth --help' for more information"));
    return 125;
  }
  if (version) {
    Cli::out_line(cat("Berth version ", BERTH_VERSION));
    return 0;
  }
  if (globals.help_wanted() || rest.empty()) {
    Cli::out(program_help(globals));
    return 0;
  }
  const std::string first = rest.front();
  rest.erase(rest.begin());
  if (first == "help") {
    if (rest.empty()) {
      Cli::out(program_help(globals));
      return 0;
    }
    rest.emplace_back("--help");
    return run_command_line(rest);
  }
  if (is_group(first)) return run_group(first, std::move(rest), std::move(options));
  if (is_later(first)) {
    Cli::err_line(cat("berth: 'berth ", first, "' is not implemented by Berth yet"));
    return 1;
  }
  const Command* command = find_command(first);
  if (command == nullptr) return unknown(first, "");
  return run_one(*command, first, rest, std::move(options));
}

}  // namespace berth::cli
