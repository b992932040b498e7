#include <algorithm>
#include <cstdio>

#include "base/core/text.h"
#include "template/functions.h"

namespace berth::tmpl {

namespace {

struct Verb {
  bool minus = false, zero = false, plus = false, space = false, sharp = false;
  std::size_t width = 0;
  std::optional<int> precision;
  char letter = 0;
};

Verb take_verb(std::string_view format, std::size_t& at) {
  Verb verb;
  for (; at < format.size(); ++at) {
    if (format[at] == '-')
      verb.minus = true;
    else if (format[at] == '0')
      verb.zero = true;
    else if (format[at] == '+')
      verb.plus = true;
    else if (format[at] == ' ')
      verb.space = true;
    else if (format[at] == '#')
      verb.sharp = true;
    else
      break;
  }
  const auto number = [&] {
    std::size_t value = 0;
    for (; at < format.size() && format[at] >= '0' && format[at] <= '9'; ++at) {
      value = std::min<std::size_t>(value * 10 + static_cast<std::size_t>(format[at] - '0'), 4096);
    }
    return value;
  };
  verb.width = number();
  if (at < format.size() && format[at] == '.') {
    ++at;
    verb.precision = static_cast<int>(number());
  }
  if (at < format.size()) verb.letter = format[at++];
  return verb;
}

std::string integer_text(const Verb& verb, std::int64_t number) {
  const int base = verb.letter == 'x' || verb.letter == 'X' ? 16 : verb.letter == 'o' ? 8 : verb.letter == 'b' ? 2 : 10;
  char digits[72];
  std::string out(digits, std::to_chars(digits, digits + sizeof digits, number, base).ptr);
  if (verb.letter == 'X') {
    std::ranges::transform(out, out.begin(),
                           [](char c) { return c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c; });
  }
  if (verb.plus && number >= 0) out.insert(out.begin(), '+');
  return out;
}

std::string double_text(const Verb& verb, double number) {
  const std::string pattern = cat("%.*", verb.letter == 'F' ? 'f' : verb.letter);
  char buffer[512];
  const int size = std::snprintf(buffer, sizeof buffer, pattern.c_str(), verb.precision.value_or(6), number);
  return {buffer, static_cast<std::size_t>(std::min<int>(size, sizeof buffer - 1))};
}

std::string bad_verb(const Verb& verb, const Value& value) {
  return cat("%!", verb.letter, "(", type_of(value), "=", print(value), ")");
}

std::string one(const Verb& verb, const Value& value) {
  const boost::json::value* at = value.json();
  const bool is_text = at != nullptr && at->is_string();
  const bool is_whole = at != nullptr && (at->is_int64() || at->is_uint64());
  switch (verb.letter) {
    case 'v': return value.is_null() && value.shape() == Shape::plain ? "<nil>" : print(value);
    case 'T': return type_of(value);
    case 's':
    case 'q': {
      if (is_whole) return bad_verb(verb, value);
      std::string text = print(value);
      if (verb.precision && is_text) text = text.substr(0, static_cast<std::size_t>(*verb.precision));
      return verb.letter == 'q' ? quoted(text) : text;
    }
    case 't': return at != nullptr && at->is_bool() ? print(value) : bad_verb(verb, value);
    case 'x':
    case 'X':
      if (is_text) return to_hex(print(value));
      [[fallthrough]];
    case 'd':
    case 'o':
    case 'b': return is_whole ? integer_text(verb, at->to_number<std::int64_t>()) : bad_verb(verb, value);
    case 'c':
      return is_whole ? std::string(1, static_cast<char>(at->to_number<std::int64_t>())) : bad_verb(verb, value);
    case 'e':
    case 'f':
    case 'F':
    case 'g': return at != nullptr && at->is_double() ? double_text(verb, at->get_double()) : bad_verb(verb, value);
    default: return bad_verb(verb, value);
  }
}

std::string padded(const Verb& verb, std::string text) {
  if (text.size() >= verb.width) return text;
  const std::size_t missing = verb.width - text.size();
  if (verb.minus) return text + std::string(missing, ' ');
  const bool signed_text = verb.zero && !text.empty() && (text.front() == '-' || text.front() == '+');
  return text.insert(signed_text ? 1 : 0, missing, verb.zero ? '0' : ' ');
}

}  // namespace

std::string format_go(const std::vector<Value>& arguments) {
  if (arguments.empty()) return "";
  const std::string format = print(arguments[0]);
  std::string out;
  std::size_t used = 1;
  for (std::size_t at = 0; at < format.size();) {
    if (format[at] != '%') {
      out += format[at++];
      continue;
    }
    ++at;
    const Verb verb = take_verb(format, at);
    if (verb.letter == '%')
      out += '%';
    else if (verb.letter == 0)
      out += "%!(NOVERB)";
    else if (used >= arguments.size())
      out += cat("%!", verb.letter, "(MISSING)");
    else
      out += padded(verb, one(verb, arguments[used++]));
  }
  if (used < arguments.size()) {
    out += "%!(EXTRA ";
    for (std::size_t i = used; i < arguments.size(); ++i) {
      out += cat(i > used ? ", " : "", type_of(arguments[i]), "=", print(arguments[i]));
    }
    out += ')';
  }
  return out;
}

}  // namespace berth::tmpl
