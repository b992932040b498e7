#include "base/core/text.h"
#include "cli/commands/commands.h"
#include "cli/json_view.h"
#include "cli/login_file.h"
#include "cli/options/filters.h"
#include "cli/text/rows.h"
#include "cli/text/table.h"

namespace berth::cli {

namespace {

struct SearchOptions {
  std::vector<std::string> filters;
  std::string format;
  std::int64_t limit = 0;
  bool no_trunc = false;
};

ListFormat search_format() {
  return {.type_name = "*formatter.SearchContext",
          .headings = {{"Name", "NAME"},
                       {"Description", "DESCRIPTION"},
                       {"StarCount", "STARS"},
                       {"IsOfficial", "OFFICIAL"},
                       {"IsAutomated", "AUTOMATED"}},
          .default_table = "table {{.Name}}\\t{{.Description}}\\t{{.StarCount}}\\t{{.IsOfficial}}"};
}

constexpr std::size_t kDescriptionWidth = 45;

/// On one line, and cut as docker cuts it.
std::string description_of(const Json& result, bool no_trunc) {
  std::string text = text_at(result, "description");
  std::erase(text, '\r');
  for (char& c : text) c = c == '\n' ? ' ' : c;
  return no_trunc ? text : ellipsis(text, kDescriptionWidth);
}

int search(Cli& cli, const SearchOptions& options, const std::string& term) {
  Query query;
  query.add("term", term);
  query.add_if(options.limit != 0, "limit", cat(options.limit));
  query.add_if(!options.filters.empty(), "filters", filters_json(options.filters));
  const std::string host = term.substr(0, term.find('/'));
  const bool own_registry = term.contains('/') && host.find_first_of(".:") != std::string::npos;
  const Json results = cli.api().call(
      {.path = cat("/images/search", query.text()),
       .headers = {{"X-Registry-Auth",
                    LoginFile{cli.options()}.registry_auth(own_registry ? host : std::string{"docker.io"})}}});
  std::vector<Row> rows;
  for (const Json& result : as_array(results)) {
    rows.emplace_back("*formatter.searchContext")
        .set("Name", text_at(result, "name"))
        .set("Description", description_of(result, options.no_trunc))
        .set("StarCount", cat(number_at(result, "star_count")))
        .set("IsOfficial", bool_at(result, "is_official") ? "[OK]" : "")
        .set("IsAutomated", bool_at(result, "is_automated") ? "[OK]" : "");
  }
  Cli::out(render_rows(search_format(), options.format, rows));
  return 0;
}

Action prepare_search(FlagSet& flags) {
  auto options = std::make_shared<SearchOptions>();
  declare_filter(flags, options->filters, 'f', "Show only what fits (is-official=true, is-automated=…, stars=3)");
  flags.text(options->format, "format", 0, kFormatHelp);
  flags.number(options->limit, "limit", 0, "Max number of search results");
  flags.boolean(options->no_trunc, "no-trunc", 0, "Show everything in full length");
  return [options](Cli& cli, const Arguments& arguments) { return search(cli, *options, arguments[0]); };
}

constexpr Command kCommands[] = {
    {"search", "[OPTIONS] TERM", "Search a registry for images", 1, 1, AfterPositional::keep_parsing, prepare_search},
};

}  // namespace

std::span<const Command> search_commands() { return kCommands; }

}  // namespace berth::cli
