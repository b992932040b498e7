#include <algorithm>

#include "base/core/text.h"
#include "base/core/time.h"
#include "cli/commands/commands.h"
#include "cli/json_view.h"
#include "cli/options/timestamps.h"
#include "cli/stream/pump.h"
#include "cli/text/table.h"

namespace berth::cli {

namespace {

struct LogOptions {
  bool details = false, follow = false, timestamps = false;
  std::string since, until, tail = "all";
};

void add_moment(Query& query, std::string_view name, const std::string& text, Time moment) {
  if (text.empty()) return;
  try {
    query.add(name, to_timestamp(text, moment));
  } catch (const Error& error) {
    throw invalid(cat("invalid value for ", quoted(name), ": ", error.text()));
  }
}

int logs(Cli& cli, const LogOptions& options, const std::string& name) {
  const Json container = cli.api().get(cat("/containers/", escape_url(name), "/json"));
  const Time moment = now();
  Query query;
  query.add("stdout", "1").add("stderr", "1");
  query.add_if(options.details, "details").add_if(options.follow, "follow").add_if(options.timestamps, "timestamps");
  add_moment(query, "since", options.since, moment);
  add_moment(query, "until", options.until, moment);
  query.add("tail", options.tail);
  Reply reply =
      cli.api().open({.path = cat("/containers/", escape_url(text_at(container, "Id")), "/logs", query.text())});
  copy_output(reply, !bool_at(at(container, "Config"), "Tty"));
  return 0;
}

Action prepare_logs(FlagSet& flags) {
  auto options = std::make_shared<LogOptions>();
  flags.boolean(options->details, "details", 0, "Show the attributes of each line");
  flags.boolean(options->follow, "follow", 'f', "Go on with what is written from now on");
  flags.text(options->since, "since", 0, "Only since a moment (2026-01-02T13:23:37Z) or a time ago (42m)");
  flags.text(options->tail, "tail", 'n', "Only this many lines of the end");
  flags.boolean(options->timestamps, "timestamps", 't', "Show when each line was written");
  flags.text(options->until, "until", 0, "Only until a moment or a time ago");
  return [options](Cli& cli, const Arguments& arguments) { return logs(cli, *options, arguments[0]); };
}

std::string address_of(const Json& binding) {
  const std::string ip = text_at(binding, "HostIp");
  return cat(ip.find(':') == std::string::npos ? ip : cat("[", ip, "]"), ":", text_at(binding, "HostPort"));
}

/// "80/tcp" from "80" or "80/tcp"; throws docker's text for what is no port.
std::string wanted_port(const std::string& text) {
  const std::size_t slash = text.find('/');
  const std::string number = text.substr(0, slash);
  if (!parse_number<std::uint16_t>(number)) {
    throw invalid(
        cat("Error: invalid port (", text, "): strconv.ParseUint: parsing ", quoted(number), ": invalid syntax"));
  }
  return cat(number, "/", slash == std::string::npos ? "tcp" : to_lower(text.substr(slash + 1)));
}

int port(Cli& cli, const Arguments& arguments) {
  const Json container = cli.api().get(cat("/containers/", escape_url(arguments[0]), "/json"));
  const boost::json::object& ports = object_at(at(container, "NetworkSettings"), "Ports");
  std::string out;
  if (arguments.size() == 2) {
    const std::string wanted = wanted_port(arguments[1]);
    const Json* bindings = ports.if_contains(wanted);
    if (bindings == nullptr || as_array(*bindings).empty()) {
      throw not_found(cat("Error: No public port '", arguments[1], "' published for ", arguments[0]));
    }
    for (const Json& binding : as_array(*bindings)) out += cat(address_of(binding), "\n");
    Cli::out(out);
    return 0;
  }
  std::vector<std::pair<int, std::string>> lines;
  for (const auto& member : ports) {
    const std::string key{member.key()};
    const int number = parse_number<int>(key.substr(0, key.find('/'))).value_or(0);
    for (const Json& binding : as_array(member.value())) {
      lines.emplace_back(number, cat(key, " -> ", address_of(binding), "\n"));
    }
  }
  std::ranges::sort(lines);
  for (const auto& line : lines) out += line.second;
  Cli::out(out);
  return 0;
}

Action prepare_port(FlagSet&) { return port; }

int top(Cli& cli, const Arguments& arguments) {
  const std::vector<std::string> words{arguments.begin() + 1, arguments.end()};
  const Query query = Query{}.add_if(!words.empty(), "ps_args", join(words, " "));
  const Json list = cli.api().get(cat("/containers/", escape_url(arguments[0]), "/top", query.text()));
  std::string out = cat(join(texts_at(list, "Titles"), "\t"), "\n");
  for (const Json& process : array_at(list, "Processes")) {
    std::vector<std::string> fields;
    for (const Json& field : as_array(process)) fields.emplace_back(std::string_view{field.as_string()});
    out += cat(join(fields, "\t"), "\n");
  }
  Cli::out(align_columns(out, {.min_width = 20, .padding = 3}));
  return 0;
}

Action prepare_top(FlagSet&) { return top; }

constexpr Command kCommands[] = {
    {"container logs,logs", "[OPTIONS] CONTAINER", "Show what a container has written", 1, 1,
     AfterPositional::keep_parsing, prepare_logs},
    {"container port,port", "CONTAINER [PRIVATE_PORT[/PROTO]]", "List a container's published ports", 1, 2,
     AfterPositional::keep_parsing, prepare_port},
    {"container top,top", "CONTAINER [ps OPTIONS]", "Show the processes of a container", 1, kNoLimit,
     AfterPositional::stop, prepare_top},
};

}  // namespace

std::span<const Command> container_look_commands() { return kCommands; }

}  // namespace berth::cli
