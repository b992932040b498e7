#include "cli/flags/flag_set.h"

#include <algorithm>
#include <utility>

#include "base/core/text.h"
#include "cli/text/units.h"

namespace berth::cli {

namespace {

/// strconv.ParseBool's words.
std::optional<bool> parse_bool(std::string_view text) {
  for (const std::string_view word : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == word) return true;
  }
  for (const std::string_view word : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == word) return false;
  }
  return std::nullopt;
}

std::string display_name(const Flag& flag) {
  if (flag.shorthand != 0) return cat("-", flag.shorthand, ", --", flag.name);
  return cat("--", flag.name);
}

/// Breaks at spaces so that no line is longer than `width`; a '\n' in the text starts a line of its own.
std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  for (const std::string& paragraph : split(text, '\n')) {
    std::string line;
    for (const std::string& word : split(paragraph, ' ')) {
      if (!line.empty() && line.size() + 1 + word.size() > width) lines.push_back(std::exchange(line, {}));
      if (!line.empty()) line += ' ';
      line += word;
    }
    lines.push_back(line);
  }
  return lines;
}

}  // namespace

Flag& FlagSet::add(Flag flag) {
  flags_.push_back(std::make_unique<Flag>(std::move(flag)));
  return *flags_.back();
}

Flag& FlagSet::custom(std::string name, char shorthand, std::string kind, std::string description,
                      std::function<void(const std::string&)> set) {
  return add({.name = std::move(name),
              .shorthand = shorthand,
              .kind = std::move(kind),
              .description = std::move(description),
              .set = std::move(set)});
}

Flag& FlagSet::boolean(bool& target, std::string name, char shorthand, std::string description) {
  Flag& flag = custom(std::move(name), shorthand, "", std::move(description), [&target](const std::string& value) {
    const auto parsed = parse_bool(value);
    if (!parsed) throw invalid(cat("strconv.ParseBool: parsing ", quoted(value), ": invalid syntax"));
    target = *parsed;
  });
  flag.is_bool = true;
  if (target) flag.default_text = "true";
  return flag;
}

Flag& FlagSet::text(std::string& target, std::string name, char shorthand, std::string description, std::string kind) {
  Flag& flag = custom(std::move(name), shorthand, std::move(kind), std::move(description),
                      [&target](const std::string& value) { target = value; });
  if (!target.empty()) flag.default_text = quoted(target);
  return flag;
}

Flag& FlagSet::list(std::vector<std::string>& target, std::string name, char shorthand, std::string description,
                    std::string kind) {
  return custom(std::move(name), shorthand, std::move(kind), std::move(description),
                [&target](const std::string& value) { target.push_back(value); });
}

Flag& FlagSet::checked_list(std::vector<std::string>& target, std::string name, char shorthand, std::string description,
                            std::string kind, std::function<void(const std::string&)> check) {
  return custom(std::move(name), shorthand, std::move(kind), std::move(description),
                [&target, check = std::move(check)](const std::string& value) {
                  check(value);
                  target.push_back(value);
                });
}

Flag& FlagSet::number(std::int64_t& target, std::string name, char shorthand, std::string description,
                      std::string kind) {
  Flag& flag =
      custom(std::move(name), shorthand, std::move(kind), std::move(description), [&target](const std::string& value) {
        const std::size_t digits = value.starts_with('+') ? 1 : 0;
        const auto parsed = parse_number<std::int64_t>(std::string_view{value}.substr(digits));
        if (!parsed) {
          throw invalid(cat("strconv.ParseInt: parsing ", quoted(value), ": invalid syntax"));
        }
        target = *parsed;
      });
  if (target != 0) flag.default_text = cat(target);
  return flag;
}

Flag& FlagSet::bytes(std::int64_t& target, std::string name, char shorthand, std::string description) {
  return custom(std::move(name), shorthand, "bytes", std::move(description),
                [&target](const std::string& value) { target = parse_size(value); });
}

Flag& FlagSet::duration(std::int64_t& target, std::string name, char shorthand, std::string description) {
  return custom(std::move(name), shorthand, "duration", std::move(description),
                [&target](const std::string& value) { target = parse_duration(value); });
}

Flag* FlagSet::find(std::string_view name) {
  const auto at = std::ranges::find_if(flags_, [&](const auto& flag) { return flag->name == name; });
  return at == flags_.end() ? nullptr : at->get();
}

Flag* FlagSet::find(char shorthand) {
  const auto at = std::ranges::find_if(flags_, [&](const auto& flag) { return flag->shorthand == shorthand; });
  return at == flags_.end() ? nullptr : at->get();
}

bool FlagSet::changed(std::string_view name) const {
  return std::ranges::any_of(flags_, [&](const auto& flag) { return flag->name == name && flag->changed; });
}

void FlagSet::assign(Flag& flag, const std::string& value) {
  try {
    flag.set(value);
  } catch (Error& error) {
    throw invalid(
        cat("invalid argument ", quoted(value), " for ", quoted(display_name(flag)), " flag: ", error.text()));
  }
  flag.changed = true;
}

void FlagSet::parse_long(const std::vector<std::string>& words, std::size_t& at) {
  const std::string& word = words[at];
  const std::size_t equals = word.find('=');
  const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
  if (name.empty() || name.front() == '-' || name.front() == '=') throw invalid(cat("bad flag syntax: ", word));
  Flag* flag = find(name);
  if (flag == nullptr && name == "help") {
    help_wanted_ = true;
    return;
  }
  if (flag == nullptr) throw invalid(cat("unknown flag: --", name));
  if (equals != std::string::npos) return assign(*flag, word.substr(equals + 1));
  if (flag->is_bool) return assign(*flag, "true");
  if (at + 1 >= words.size()) throw invalid(cat("flag needs an argument: --", name));
  assign(*flag, words[++at]);
}

void FlagSet::parse_short(const std::vector<std::string>& words, std::size_t& at) {
  const std::string_view word = words[at];
  std::string_view rest = word.substr(1);
  while (!rest.empty()) {
    const char letter = rest.front();
    Flag* flag = find(letter);
    if (flag == nullptr && letter == 'h') {
      help_wanted_ = true;
      return;
    }
    if (flag == nullptr) throw invalid(cat("unknown shorthand flag: '", letter, "' in -", rest));
    const std::string_view tail = rest.substr(1);
    if (tail.size() > 1 && tail.front() == '=') return assign(*flag, std::string{tail.substr(1)});
    if (flag->is_bool) {
      assign(*flag, "true");
      rest = tail;
      continue;
    }
    if (!tail.empty()) return assign(*flag, std::string{tail});
    if (at + 1 >= words.size()) throw invalid(cat("flag needs an argument: '", letter, "' in -", rest));
    return assign(*flag, words[++at]);
  }
}

std::vector<std::string> FlagSet::parse(const std::vector<std::string>& words, AfterPositional mode) {
  std::vector<std::string> arguments;
  for (std::size_t at = 0; at < words.size(); ++at) {
    const std::string& word = words[at];
    if (word == "--") {
      arguments.insert(arguments.end(), words.begin() + static_cast<std::ptrdiff_t>(at) + 1, words.end());
      break;
    }
    if (word.size() < 2 || word.front() != '-') {  // "-" alone is an argument: standard input
      if (mode == AfterPositional::stop) {
        arguments.insert(arguments.end(), words.begin() + static_cast<std::ptrdiff_t>(at), words.end());
        break;
      }
      arguments.push_back(word);
    } else if (word[1] == '-') {
      parse_long(words, at);
    } else {
      parse_short(words, at);
    }
    if (help_wanted_) break;
  }
  return arguments;
}

std::vector<Flag*> FlagSet::by_name() const {
  std::vector<Flag*> sorted;
  for (const auto& flag : flags_) {
    if (!flag->hidden) sorted.push_back(flag.get());
  }
  std::ranges::sort(sorted, {}, [](const Flag* flag) -> const std::string& { return flag->name; });
  return sorted;
}

std::string FlagSet::usage(std::size_t width) const {
  const std::vector<Flag*> flags = by_name();
  const auto head = [](const Flag& flag) {
    std::string text = flag.shorthand != 0 ? cat("  -", flag.shorthand, ", --", flag.name) : cat("      --", flag.name);
    if (!flag.kind.empty()) text += cat(" ", flag.kind);
    return text;
  };
  std::size_t column = 0;
  for (const Flag* flag : flags) column = std::max(column, head(*flag).size() + 3);
  std::string out;
  for (const Flag* flag : flags) {
    std::string description = flag->description;
    if (!flag->default_text.empty()) description += cat(" (default ", flag->default_text, ")");
    std::string line = head(*flag);
    for (const std::string& piece : wrap(description, std::max<std::size_t>(width - std::min(width, column), 24))) {
      line.resize(std::max(column, line.size()), ' ');
      out += line + piece + '\n';
      line.clear();
    }
  }
  return out;
}

}  // namespace berth::cli
