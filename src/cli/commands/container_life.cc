#include <boost/json/serialize.hpp>

#include "base/core/text.h"
#include "cli/commands/attached.h"
#include "cli/commands/commands.h"
#include "cli/json_view.h"
#include "cli/options/resources.h"
#include "cli/text/units.h"

namespace berth::cli {

namespace {

std::string path_of(const std::string& container, std::string_view rest) {
  return cat("/containers/", escape_url(container), rest);
}

struct StopOptions {
  std::string signal;
  std::int64_t timeout = 0;
  bool has_timeout = false;
};

Action stop_like(FlagSet& flags, std::string_view verb) {
  auto options = std::make_shared<StopOptions>();
  flags.text(options->signal, "signal", 's', "Signal to send instead of the container's own");
  const auto set = [options](const std::string& text) {
    const auto seconds = parse_number<std::int64_t>(text);
    if (!seconds) throw invalid(cat("strconv.ParseInt: parsing ", quoted(text), ": invalid syntax"));
    options->timeout = *seconds;
    options->has_timeout = true;
  };
  flags.custom("timeout", 't', "int", "Seconds to wait before the kill; -1 for ever", set);
  flags.custom("time", 0, "int", "The same as --timeout", set).hidden = true;
  return [options, verb](Cli& cli, const Arguments& containers) {
    const Query query = Query{}
                            .add_if(!options->signal.empty(), "signal", options->signal)
                            .add_if(options->has_timeout, "t", cat(options->timeout));
    return for_each_argument(cli, containers, [&](const std::string& container) {
      cli.api().post(path_of(container, cat("/", verb, query.text())));
      Cli::out_line(container);
    });
  };
}

Action prepare_stop(FlagSet& flags) { return stop_like(flags, "stop"); }
Action prepare_restart(FlagSet& flags) { return stop_like(flags, "restart"); }

Action prepare_kill(FlagSet& flags) {
  auto signal = std::make_shared<std::string>();
  flags.text(*signal, "signal", 's', "Signal to send (default KILL)");
  return [signal](Cli& cli, const Arguments& containers) {
    const Query query = Query{}.add("signal", signal->empty() ? "KILL" : *signal);
    return for_each_argument(cli, containers, [&](const std::string& container) {
      cli.api().post(path_of(container, cat("/kill", query.text())));
      Cli::out_line(container);
    });
  };
}

Action simple(std::string_view verb) {
  return [verb](Cli& cli, const Arguments& containers) {
    return for_each_argument(cli, containers, [&](const std::string& container) {
      cli.api().post(path_of(container, cat("/", verb)));
      Cli::out_line(container);
    });
  };
}
Action prepare_pause(FlagSet&) { return simple("pause"); }
Action prepare_unpause(FlagSet&) { return simple("unpause"); }

Action prepare_wait(FlagSet&) {
  return [](Cli& cli, const Arguments& containers) {
    return for_each_argument(cli, containers, [&](const std::string& container) {
      const Json result = cli.api().post(path_of(container, "/wait"));
      if (const std::string text = text_at(at(result, "Error"), "Message"); !text.empty()) throw system_error(text);
      Cli::out_line(cat(number_at(result, "StatusCode")));
    });
  };
}

struct RemoveOptions {
  bool force = false, link = false, volumes = false;
};

Action prepare_remove(FlagSet& flags) {
  auto options = std::make_shared<RemoveOptions>();
  flags.boolean(options->force, "force", 'f', "Kill it first if it runs");
  flags.boolean(options->link, "link", 'l', "Remove the link, not the container");
  flags.boolean(options->volumes, "volumes", 'v', "Remove its anonymous volumes too");
  return [options](Cli& cli, const Arguments& containers) {
    const Query query =
        Query{}.add_if(options->force, "force").add_if(options->link, "link").add_if(options->volumes, "v");
    return for_each_argument(cli, containers, [&](const std::string& given) {
      std::string container = given;
      while (container.starts_with('/')) container.erase(0, 1);
      if (container.empty()) throw invalid("container name cannot be empty");
      try {
        cli.api().remove(path_of(container, query.text()));
      } catch (const Error& error) {
        if (!options->force || error.kind() != ErrorKind::not_found) throw;
        Cli::err_line(error.text());  // that it is gone is what was asked for
        return;
      }
      Cli::out_line(given);
    });
  };
}

Action prepare_rename(FlagSet&) {
  return [](Cli& cli, const Arguments& names) {
    const auto strip = [](const std::string& name) { return name.starts_with('/') ? name.substr(1) : name; };
    const std::string from{trim(names[0])}, to{trim(names[1])};
    if (from.empty() || to.empty()) throw invalid("Error: Neither old nor new names may be empty");
    try {
      cli.api().post(path_of(strip(from), cat("/rename", Query{}.add("name", to).text())));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::unavailable) throw;
      Cli::err_line(cat(error.text(), "\nError: failed to rename container named ", from));
      return 1;
    }
    return 0;
  };
}

struct StartOptions {
  bool attach = false, interactive = false;
  std::string detach_keys, checkpoint, checkpoint_folder;
};

std::string start_query(const StartOptions& options) {
  return Query{}
      .add_if(!options.checkpoint.empty(), "checkpoint", options.checkpoint)
      .add_if(!options.checkpoint_folder.empty(), "checkpoint-dir", options.checkpoint_folder)
      .add_if(!options.detach_keys.empty(), "detachKeys", options.detach_keys)
      .text();
}

int start_attached(Cli& cli, const StartOptions& options, const std::string& name) {
  const Json container = cli.api().get(path_of(name, "/json"));
  const std::string id = text_at(container, "Id");
  const Json& config = at(container, "Config");
  const bool tty = bool_at(config, "Tty");
  const bool input = options.interactive && bool_at(config, "OpenStdin");
  Attached attached{
      cli, id, {.input = input, .output = true, .error = true, .tty = tty, .detach_keys = options.detach_keys}};
  attached.forward_signals();
  PendingWait wait{cli, id, bool_at(at(container, "HostConfig"), "AutoRemove") ? "removed" : "next-exit"};
  cli.api().post(path_of(id, cat("/start", start_query(options))));
  if (tty) attached.resize();
  if (attached.run() == PumpEnd::detached) return 0;
  return wait.exit_code();
}

int start(Cli& cli, const StartOptions& options, const Arguments& containers) {
  if (options.attach || options.interactive) {
    if (containers.size() > 1) throw invalid("you cannot start and attach multiple containers at once");
    return start_attached(cli, options, containers[0]);
  }
  if (!options.checkpoint.empty()) {
    if (containers.size() > 1) throw invalid("you cannot restore multiple containers at once");
    cli.api().post(path_of(containers[0], cat("/start", start_query(options))));
    return 0;
  }
  std::vector<std::string> failed;
  for (const std::string& container : containers) {
    try {
      cli.api().post(path_of(container, cat("/start", start_query(options))));
      Cli::out_line(container);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::unavailable) throw;
      Cli::err_line(error.text());
      failed.push_back(container);
    }
  }
  if (failed.empty()) return 0;
  Cli::err_line(cat("Error: failed to start containers: ", join(failed, ", ")));
  return 1;
}

Action prepare_start(FlagSet& flags) {
  auto options = std::make_shared<StartOptions>();
  flags.boolean(options->attach, "attach", 'a', "Attach to output and pass signals on");
  flags.text(options->checkpoint, "checkpoint", 0, "Restore from this checkpoint");
  flags.text(options->checkpoint_folder, "checkpoint-dir", 0, "Use a custom checkpoint storage directory");
  flags.text(options->detach_keys, "detach-keys", 0, "Keys that detach from the container");
  flags.boolean(options->interactive, "interactive", 'i', "Attach to stdin too");
  return [options](Cli& cli, const Arguments& containers) { return start(cli, *options, containers); };
}

struct AttachOptions {
  bool no_stdin = false, sig_proxy = true;
  std::string detach_keys;
};

void check_can_attach(const Json& state) {
  if (!bool_at(state, "Running")) throw invalid("You cannot attach to a stopped container, start it first");
  if (bool_at(state, "Paused")) throw invalid("cannot attach to a paused container, unpause it first");
  if (bool_at(state, "Restarting")) throw invalid("cannot attach to a restarting container, wait until it is running");
}

int attach(Cli& cli, const AttachOptions& options, const std::string& name) {
  const Json container = cli.api().get(path_of(name, "/json"));
  check_can_attach(at(container, "State"));
  const std::string id = text_at(container, "Id");
  const Json& config = at(container, "Config");
  const bool tty = bool_at(config, "Tty");
  const bool input = !options.no_stdin && bool_at(config, "OpenStdin");
  check_terminal(input, tty);
  PendingWait wait{cli, id, "not-running"};
  Attached attached{cli,
                    id,
                    {.input = input,
                     .output = true,
                     .error = true,
                     .tty = tty,
                     .sig_proxy = options.sig_proxy,
                     .detach_keys = options.detach_keys}};
  attached.forward_signals();
  if (tty) attached.resize();
  if (attached.run() == PumpEnd::detached) {
    Cli::err("read escape sequence\n");
    return 0;
  }
  return wait.exit_code();
}

Action prepare_attach(FlagSet& flags) {
  auto options = std::make_shared<AttachOptions>();
  flags.text(options->detach_keys, "detach-keys", 0, "Keys that detach from the container");
  flags.boolean(options->no_stdin, "no-stdin", 0, "Don't pass stdin on");
  flags.boolean(options->sig_proxy, "sig-proxy", 0, "Pass signals on to the process");
  return [options](Cli& cli, const Arguments& arguments) { return attach(cli, *options, arguments[0]); };
}

/// update's flags write straight into the request: only what was given is changed.
struct UpdateBody {
  boost::json::object body;
};

void number_flag(FlagSet& flags, const std::shared_ptr<UpdateBody>& update, std::string name, char shorthand,
                 std::string_view key, std::string description) {
  flags.custom(std::move(name), shorthand, "int", std::move(description), [update, key](const std::string& text) {
    const auto number = parse_number<std::int64_t>(text);
    if (!number) throw invalid(cat("strconv.ParseInt: parsing ", quoted(text), ": invalid syntax"));
    update->body[key] = *number;
  });
}

template <class Parse>
void parsed_flag(FlagSet& flags, const std::shared_ptr<UpdateBody>& update, std::string name, char shorthand,
                 std::string kind, std::string_view key, std::string description, Parse parse) {
  flags.custom(std::move(name), shorthand, std::move(kind), std::move(description),
               [update, key, parse](const std::string& text) { update->body[key] = parse(text); });
}

Action prepare_update(FlagSet& flags) {
  auto update = std::make_shared<UpdateBody>();
  number_flag(flags, update, "blkio-weight", 0, "BlkioWeight", "Weight of disk access, 10 to 1000, 0 for none");
  number_flag(flags, update, "cpu-period", 0, "CpuPeriod", "Period of the CPU quota in microseconds");
  number_flag(flags, update, "cpu-quota", 0, "CpuQuota", "CPU time in each period in microseconds");
  number_flag(flags, update, "cpu-rt-period", 0, "CpuRealtimePeriod", "Real-time period in microseconds");
  number_flag(flags, update, "cpu-rt-runtime", 0, "CpuRealtimeRuntime", "Real-time CPU time in each period");
  number_flag(flags, update, "cpu-shares", 'c', "CpuShares", "Weight of CPU use against others");
  number_flag(flags, update, "pids-limit", 0, "PidsLimit", "Limit of processes; -1 for none");
  const auto text = [](const std::string& value) { return value; };
  parsed_flag(flags, update, "cpuset-cpus", 0, "string", "CpusetCpus", "CPUs to run on (0-3, 0,1)", text);
  parsed_flag(flags, update, "cpuset-mems", 0, "string", "CpusetMems", "Memory nodes to use (0-3, 0,1)", text);
  const auto cpus = [](const std::string& value) { return parse_nano_cpus(value); };
  parsed_flag(flags, update, "cpus", 0, "decimal", "NanoCpus", "Number of CPUs' worth of time", cpus);
  const auto bytes = [](const std::string& value) { return parse_size(value); };
  parsed_flag(flags, update, "memory", 'm', "bytes", "Memory", "Memory limit", bytes);
  parsed_flag(flags, update, "memory-reservation", 0, "bytes", "MemoryReservation", "Limit while memory is short",
              bytes);
  parsed_flag(flags, update, "memory-swap", 0, "bytes", "MemorySwap", "Limit of memory and swap together",
              parse_memory_swap);
  parsed_flag(flags, update, "restart", 0, "string", "RestartPolicy",
              "When to start again: no, on-failure[:N], always, unless-stopped", parse_restart_policy);
  return [update](Cli& cli, const Arguments& containers) {
    if (update->body.empty()) throw invalid("you must provide one or more flags when using this command");
    const std::string body = boost::json::serialize(update->body);
    return for_each_argument(cli, containers, [&](const std::string& container) {
      const Json result = cli.api().post(path_of(container, "/update"), body);
      Cli::out_line(container);
      for (const std::string& warning : texts_at(result, "Warnings")) Cli::err_line(warning);
    });
  };
}

constexpr auto kParse = AfterPositional::keep_parsing;
constexpr Command kCommands[] = {
    {"container start,start", "[OPTIONS] CONTAINER [CONTAINER...]", "Start stopped containers", 1, kNoLimit, kParse,
     prepare_start},
    {"container stop,stop", "[OPTIONS] CONTAINER [CONTAINER...]", "Stop running containers", 1, kNoLimit, kParse,
     prepare_stop},
    {"container restart,restart", "[OPTIONS] CONTAINER [CONTAINER...]", "Stop and start containers", 1, kNoLimit,
     kParse, prepare_restart},
    {"container kill,kill", "[OPTIONS] CONTAINER [CONTAINER...]", "Send a signal to running containers", 1, kNoLimit,
     kParse, prepare_kill},
    {"container pause,pause", "CONTAINER [CONTAINER...]", "Freeze all processes of containers", 1, kNoLimit, kParse,
     prepare_pause},
    {"container unpause,unpause", "CONTAINER [CONTAINER...]", "Let the processes of frozen containers go on", 1,
     kNoLimit, kParse, prepare_unpause},
    {"container wait,wait", "CONTAINER [CONTAINER...]", "Wait until containers end and print their exit codes", 1,
     kNoLimit, kParse, prepare_wait},
    {"container rm,container remove,rm", "[OPTIONS] CONTAINER [CONTAINER...]", "Remove containers", 1, kNoLimit, kParse,
     prepare_remove},
    {"container rename,rename", "CONTAINER NEW_NAME", "Give a container another name", 2, 2, kParse, prepare_rename},
    {"container attach,attach", "[OPTIONS] CONTAINER", "Attach our standard streams to a running container", 1, 1,
     kParse, prepare_attach},
    {"container update,update", "[OPTIONS] CONTAINER [CONTAINER...]", "Change the limits of containers", 1, kNoLimit,
     kParse, prepare_update},
};

}  // namespace

std::span<const Command> container_life_commands() { return kCommands; }

}  // namespace berth::cli
