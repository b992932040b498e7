#include "registry/client/challenge.h"

#include "base/core/text.h"

namespace berth::registry {

namespace {

bool is_token_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos;
}

class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : rest_(text) {}

  void skip(std::string_view characters) {
    while (!rest_.empty() && characters.find(rest_.front()) != std::string_view::npos) rest_.remove_prefix(1);
  }
  std::string_view token() {
    std::size_t length = 0;
    while (length < rest_.size() && is_token_character(rest_[length])) ++length;
    const std::string_view found = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return found;
  }
  bool take(char wanted) {
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  /// A token, or a quoted string with its backslashes resolved; an unfinished one goes to the end.
  std::string value() {
    if (!take('"')) return std::string{token()};
    std::string out;
    while (!rest_.empty() && !take('"')) {
      if (rest_.front() == '\\' && rest_.size() > 1) rest_.remove_prefix(1);
      out += rest_.front();
      rest_.remove_prefix(1);
    }
    return out;
  }

 private:
  std::string_view rest_;
};

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view header) {
  std::vector<Challenge> challenges;
  HeaderReader reader{header};
  for (;;) {
    reader.skip(" \t,");
    const std::string name = to_lower(reader.token());
    if (name.empty()) return challenges;
    reader.skip(" \t");
    if (reader.take('=')) {  // a parameter of the challenge before
      if (challenges.empty()) return challenges;
      reader.skip(" \t");
      challenges.back().parameters[name] = reader.value();
    } else {
      challenges.push_back({.scheme = name, .parameters = {}});
    }
  }
}

}  // namespace berth::registry
