#include "engine/process_list.h"

#include <algorithm>
#include <span>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::engine {

namespace {

constexpr std::string_view kBlanks = " \t\n\f\r";

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t at = text.find_first_not_of(kBlanks); at != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(kBlanks, at), text.size());
    words.emplace_back(text.substr(at, end - at));
    at = text.find_first_not_of(kBlanks, end);
  }
  return words;
}

/// As many fields as there are titles.
std::vector<std::string> fit(std::vector<std::string> fields, std::size_t count) {
  if (fields.size() <= count) return fields;
  std::string rest = join({fields.begin() + static_cast<std::ptrdiff_t>(count) - 1, fields.end()}, " ");
  fields.resize(count);
  fields.back() = std::move(rest);
  return fields;
}

}  // namespace

void check_ps_arguments(std::string_view arguments) {
  for (std::size_t at = arguments.find('='); at != std::string_view::npos; at = arguments.find('=', at + 1)) {
    const std::size_t value = arguments.find_first_not_of(kBlanks, at + 1);
    if (value == std::string_view::npos || !arguments.substr(value).starts_with("PID")) continue;
    const std::size_t before = arguments.substr(0, at).find_last_of(kBlanks);
    if (before == std::string_view::npos) continue;
    const std::string_view key = arguments.substr(before + 1, at - before - 1);
    if (key == "pid") continue;
    const std::string_view text = arguments.substr(value, arguments.find_first_of(kBlanks, value) - value);
    throw system_error(cat("specifying \"", key, "=", text, "\" is not allowed"));
  }
}

std::vector<std::string> split_ps_arguments(std::string_view arguments) { return words_of(arguments); }

ProcessList parse_ps_output(std::string_view output, const std::vector<pid_t>& pids) {
  ProcessList list;
  std::vector<std::string> lines = split(output, '\n');
  list.titles = words_of(lines.front());
  const auto column = std::ranges::find(list.titles, "PID") - list.titles.begin();
  const auto at = static_cast<std::size_t>(column);
  if (at == list.titles.size()) throw system_error("Couldn't find PID field in ps output");
  bool of_ours = false;  ///< the process of the lines before
  for (const std::string& line : std::span{lines}.subspan(1)) {
    std::vector<std::string> fields = words_of(line);
    if (fields.size() <= at) continue;
    if (fields[at] != "-") {
      const std::optional<pid_t> pid = parse_number<pid_t>(fields[at]);
      if (!pid) {
        throw system_error(
            cat("Unexpected pid '", fields[at], "': strconv.Atoi: parsing ", quoted(fields[at]), ": invalid syntax"));
      }
      of_ours = std::ranges::find(pids, *pid) != pids.end();
    }
    if (of_ours) list.processes.push_back(fit(std::move(fields), list.titles.size()));
  }
  return list;
}

}  // namespace berth::engine
