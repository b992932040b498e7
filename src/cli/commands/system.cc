#include <sys/utsname.h>

#include <boost/json/object.hpp>

#include "base/core/text.h"
#include "base/core/time.h"
#include "base/json/json.h"
#include "cli/commands/commands.h"
#include "cli/commands/info_text.h"
#include "cli/json_view.h"
#include "cli/options/filters.h"
#include "cli/options/timestamps.h"
#include "cli/text/rows.h"
#include "cli/text/table.h"

namespace berth::cli {

namespace json = boost::json;

namespace {

constexpr std::string_view kApiVersion = "1.51";

std::string go_architecture() {
  utsname names{};
  ::uname(&names);
  const std::string machine = names.machine;
  return machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : machine;
}

json::object client_version() {
  return {{"Version", BERTH_VERSION},  {"ApiVersion", kApiVersion}, {"DefaultAPIVersion", kApiVersion},
          {"GitCommit", ""},           {"GoVersion", ""},           {"Os", "linux"},
          {"Arch", go_architecture()}, {"BuildTime", ""},           {"Context", "default"}};
}

void add_line(std::string& out, std::string_view name, const std::string& value) {
  if (!value.empty()) out += cat(" ", name, ":\t", value, "\n");
}

std::string client_text(const Json& client) {
  std::string out = "Client: Berth\n";
  add_line(out, "Version", text_at(client, "Version"));
  add_line(out, "API version", text_at(client, "ApiVersion"));
  add_line(out, "OS/Arch", cat(text_at(client, "Os"), "/", text_at(client, "Arch")));
  add_line(out, "Context", text_at(client, "Context"));
  return out;
}

std::string component_text(const Json& component) {
  const Json& details = at(component, "Details");
  std::string out = cat(" ", text_at(component, "Name"), ":\n");
  const auto line = [&](std::string_view name, const std::string& value) {
    out += cat("  ", name, ":\t", value, "\n");
  };
  line("Version", text_at(component, "Version"));
  if (text_at(component, "Name") != "Engine") {
    if (find_at(details, "GitCommit") != nullptr) line("GitCommit", text_at(details, "GitCommit"));
    return out;
  }
  line("API version",
       cat(text_at(details, "ApiVersion"), " (minimum version ", text_at(details, "MinAPIVersion"), ")"));
  line("Go version", text_at(details, "GoVersion"));
  line("Git commit", text_at(details, "GitCommit"));
  line("Built", text_at(details, "BuildTime"));
  line("OS/Arch", cat(text_at(details, "Os"), "/", text_at(details, "Arch")));
  line("Experimental", text_at(details, "Experimental"));
  return out;
}

std::string server_text(const Json& server) {
  const std::string platform = text_at(at(server, "Platform"), "Name");
  std::string out = cat("\nServer:", platform.empty() ? "" : " ", platform, "\n");
  for (const Json& component : array_at(server, "Components")) out += component_text(component);
  return out;
}

int version(Cli& cli, const std::string& format) {
  Json all = json::object{{"Client", client_version()}, {"Server", nullptr}};
  std::string failure;
  try {
    all.as_object()["Server"] = cli.api().get("/version");
  } catch (const Error& error) {
    failure = error.text();
  }
  if (format.empty()) {
    const TableLayout layout{.min_width = 20, .padding = 1};
    std::string text = client_text(at(all, "Client"));
    if (failure.empty()) text += server_text(at(all, "Server"));
    Cli::out(align_columns(text, layout));
  } else if (failure.empty() || format.find(".Server") == std::string::npos) {
    Cli::out(render_value(format, tmpl::Value::borrow(all)));
  }
  if (failure.empty()) return 0;
  Cli::err_line(failure);
  return 1;
}

Action prepare_version(FlagSet& flags) {
  auto format = std::make_shared<std::string>();
  flags.text(*format, "format", 'f', "How to print: json, or a Go TEMPLATE");
  return [format](Cli& cli, const Arguments&) { return version(cli, *format); };
}

json::object client_info(const GlobalOptions& options) {
  json::object info = client_version();
  info["Debug"] = options.debug;
  info["Plugins"] = json::array{};
  info["Warnings"] = nullptr;
  return info;
}

int info(Cli& cli, const std::string& format) {
  Json all;
  std::string failure;
  try {
    all = cli.api().get("/info");
  } catch (const Error& error) {
    failure = error.text();
    all = json::object{{"ServerErrors", json::array{json::string{error.text()}}}};
  }
  all.as_object()["ClientInfo"] = client_info(cli.options());
  if (!format.empty()) {
    Cli::out(render_value(format, tmpl::Value::borrow(all)));
    if (!failure.empty()) Cli::err_line(failure);
    return failure.empty() ? 0 : 1;
  }
  Cli::out(info_client_text(at(all, "ClientInfo")));
  if (!failure.empty()) {
    Cli::out("\nServer:\n");
    Cli::err_line(failure);
    return 1;
  }
  Cli::out(info_server_text(all));
  for (const std::string& warning : texts_at(all, "Warnings")) Cli::err_line(warning);
  return 0;
}

Action prepare_info(FlagSet& flags) {
  auto format = std::make_shared<std::string>();
  flags.text(*format, "format", 'f', "How to print: json, or a Go TEMPLATE");
  return [format](Cli& cli, const Arguments&) { return info(cli, *format); };
}

struct EventOptions {
  std::string format, since, until;
  std::vector<std::string> filters;
};

std::string event_text(const Json& event) {
  const std::int64_t nanos = number_at(event, "timeNano");
  const Time moment =
      nanos != 0 ? Time{std::chrono::nanoseconds{nanos}} : Time{std::chrono::seconds{number_at(event, "time")}};
  const Json& actor = at(event, "Actor");
  std::string out = cat(format_time_fixed(moment), " ", text_at(event, "Type"), " ", text_at(event, "Action"), " ",
                        text_at(actor, "ID"));
  std::vector<std::string> attributes;
  for (const auto& [key, value] : map_at(actor, "Attributes")) attributes.push_back(cat(key, "=", value));
  if (!attributes.empty()) out += cat(" (", join(attributes, ", "), ")");
  return out + "\n";
}

/// Older members, which only some events carry; a template may ask any event for them.
void add_old_members(Json& event, const std::string& format) {
  if (format == "json" || format.find("json .") != std::string::npos) return;
  for (const char* name : {"status", "id", "from"}) {
    if (event.is_object() && !event.as_object().contains(name)) event.as_object()[name] = "";
  }
}

int events(Cli& cli, const EventOptions& options) {
  const Time moment = now();
  std::optional<tmpl::Template> wanted;
  if (!options.format.empty()) {
    try {
      wanted.emplace(options.format == "json" ? "{{json .}}" : options.format);
    } catch (const Error& error) {
      Cli::err_line(cat("Error parsing format: ", error.text()));
      return 64;
    }
  }
  Query query;
  if (!options.since.empty()) query.add("since", to_timestamp(options.since, moment));
  if (!options.until.empty()) query.add("until", to_timestamp(options.until, moment));
  query.add_if(!options.filters.empty(), "filters", filters_json(options.filters));
  Reply reply = cli.api().open({.path = cat("/events", query.text())});
  while (const auto line = reply.read_line()) {
    if (trim(*line).empty()) continue;
    Json event = berth::json::parse(*line);
    if (wanted) add_old_members(event, options.format);
    Cli::out(wanted ? cat(wanted->run(tmpl::Value::borrow(event)), "\n") : event_text(event));
  }
  return 0;
}

Action prepare_events(FlagSet& flags) {
  auto options = std::make_shared<EventOptions>();
  declare_filter(flags, options->filters, 'f', "Show only what fits (container=…, event=die, type=image, …)");
  flags.text(options->format, "format", 0, "How to print: json, or a Go TEMPLATE");
  flags.text(options->since, "since", 0, "Begin with the events since this moment");
  flags.text(options->until, "until", 0, "End at this moment");
  return [options](Cli& cli, const Arguments&) { return events(cli, *options); };
}

constexpr auto kParse = AfterPositional::keep_parsing;
constexpr Command kCommands[] = {
    {"version", "[OPTIONS]", "Show the versions of client and daemon", 0, 0, kParse, prepare_version},
    {"system info,info", "[OPTIONS]", "Show what the daemon says of itself", 0, 0, kParse, prepare_info},
    {"system events,events", "[OPTIONS]", "Show what happens, as it happens", 0, 0, kParse, prepare_events},
};

}  // namespace

std::span<const Command> system_commands() { return kCommands; }

}  // namespace berth::cli
