#include "registry/server/rights.h"

#include <utility>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::registry::server {

Actions parse_action(std::string_view word) {
  if (word == "*") return Actions::all();
  return {.pull = word == "pull", .push = word == "push", .remove = word == "delete"};
}

std::vector<std::string> names_of(const Actions& actions) {
  std::vector<std::string> names;
  if (actions.pull) names.emplace_back("pull");
  if (actions.push) names.emplace_back("push");
  if (actions.remove) names.emplace_back("delete");
  return names;
}

bool matches(std::string_view pattern, std::string_view text) {
  // Only the last star ever needs another try: what lies before it has found its place.
  std::size_t at = 0, in = 0, star = std::string_view::npos, retry = 0;
  while (in < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      retry = in;
    } else if (at < pattern.size() && pattern[at] == text[in]) {
      ++at;
      ++in;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      in = ++retry;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

namespace {

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : line.substr(0, line.find('#'))) {
    if (c != ' ' && c != '\t' && c != '\r') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

}  // namespace

Rights Rights::parse(std::string_view text) {
  Rights rights{Actions{}};
  rights.listed_ = true;
  int number = 0;
  for (const std::string& line : split(text, '\n')) {
    ++number;
    const std::vector<std::string> words = words_of(line);
    if (words.empty()) continue;
    if (words.size() != 3) throw invalid(cat("line ", number, ": USER REPOSITORY ACTIONS is wanted"));
    Rule rule{.user = words[0], .repositories = words[1], .actions = {}};
    for (const std::string& word : split(words[2], ',')) {
      const Actions actions = parse_action(word);
      if (actions.none()) throw invalid(cat("line ", number, ": unknown action ", quoted(word)));
      rule.actions = rule.actions | actions;
    }
    rights.rules_.push_back(std::move(rule));
  }
  return rights;
}

Actions Rights::of(std::string_view user, std::string_view repository) const {
  if (!listed_) return user.empty() ? nameless_ : Actions::all();
  Actions sum;
  for (const Rule& rule : rules_) {
    const bool meant = rule.user == "-" || (!user.empty() && (rule.user == "*" || rule.user == user));
    if (meant && matches(rule.repositories, repository)) sum = sum | rule.actions;
  }
  return sum;
}

}  // namespace berth::registry::server
