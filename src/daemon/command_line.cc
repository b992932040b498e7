#include <algorithm>
#include <span>

#include "base/core/error.h"
#include "base/core/text.h"
#include "daemon/settings.h"

namespace berth::daemon {

namespace {

const Setting* find_flag(std::string_view name) {
  const auto found = std::ranges::find(all_settings(), name, &Setting::flag);
  return found == all_settings().end() || name.empty() ? nullptr : &*found;
}

const Setting* find_shorthand(char letter) {
  const auto found = std::ranges::find(all_settings(), letter, &Setting::shorthand);
  return found == all_settings().end() || letter == 0 ? nullptr : &*found;
}

/// The arguments still to be read.
using Rest = std::span<const std::string>;

std::string take_value(Rest& rest, const std::string& spelled) {
  if (rest.empty()) throw invalid(cat("flag needs an argument: ", spelled));
  std::string value = rest.front();
  rest = rest.subspan(1);
  return value;
}

void set(Settings& settings, const Setting& setting, std::string value, const std::string& spelled) {
  try {
    settings.set(setting, value);
  } catch (const Error& error) {
    throw invalid(cat("invalid argument ", quoted(value), " for \"", spelled, "\" flag: ", error.text()));
  }
}

void read_long(CommandLine& line, std::string_view argument, Rest& rest) {
  const std::size_t equals = argument.find('=');
  const std::string_view name = argument.substr(0, equals);
  if (name == "help") {
    line.help = true;
  } else if (name == "version") {
    line.version = true;
  } else if (name == "validate") {
    line.validate = true;
  } else {
    const Setting* setting = find_flag(name);
    if (setting == nullptr) throw invalid(cat("unknown flag: --", name));
    const std::string spelled = cat(setting->shorthand != 0 ? cat("-", setting->shorthand, ", ") : "", "--", name);
    std::string value = "true";
    if (equals != std::string_view::npos) {
      value = argument.substr(equals + 1);
    } else if (setting->kind != Kind::boolean) {
      value = take_value(rest, cat("--", name));
    }
    set(line.settings, *setting, std::move(value), spelled);
  }
}

void read_short(CommandLine& line, std::string_view letters, Rest& rest) {
  const std::string whole{letters};
  while (!letters.empty()) {
    const char letter = letters.front();
    letters.remove_prefix(1);
    if (letter == 'v') {
      line.version = true;
      continue;
    }
    const Setting* setting = find_shorthand(letter);
    if (setting == nullptr) throw invalid(cat("unknown shorthand flag: '", letter, "' in -", whole));
    const std::string spelled = cat("-", letter, ", --", setting->flag);
    if (setting->kind == Kind::boolean && !letters.starts_with('=')) {
      set(line.settings, *setting, "true", spelled);
      continue;
    }
    std::string value{letters.starts_with('=') ? letters.substr(1) : letters};
    if (letters.empty()) value = take_value(rest, cat("'", letter, "' in -", whole));
    set(line.settings, *setting, std::move(value), spelled);
    return;
  }
}

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& arguments) {
  CommandLine line;
  Rest rest{arguments};
  while (!rest.empty()) {
    const std::string_view argument = rest.front();
    rest = rest.subspan(1);
    if (argument.starts_with("--") && argument.size() > 2) {
      read_long(line, argument.substr(2), rest);
    } else if (argument.starts_with('-') && argument.size() > 1 && argument != "--") {
      read_short(line, argument.substr(1), rest);
    } else if (argument != "--") {
      throw invalid("this command accepts no arguments");
    }
  }
  return line;
}

}  // namespace berth::daemon
