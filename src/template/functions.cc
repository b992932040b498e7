#include "template/functions.h"

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <compare>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/http_client/escape.h"

namespace berth::tmpl {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 28> kNames = {
    "and",   "or",    "not",   "eq",       "ne",      "lt",       "le",   "gt",     "ge",   "len",
    "index", "slice", "print", "printf",   "println", "urlquery", "json", "split",  "join", "title",
    "lower", "upper", "pad",   "truncate", "html",    "js",       "call", "println"};

Value text_value(std::string_view text) { return Value{json::value(json::string{text})}; }

const std::string_view* as_text(const Value& value, std::string_view& storage) {
  if (value.json() == nullptr || !value.json()->is_string()) return nullptr;
  storage = value.json()->get_string();
  return &storage;
}

std::string need_text(const Value& value) {
  std::string_view storage;
  if (as_text(value, storage) == nullptr) {
    throw invalid(cat("wrong type for value; expected string; got ", type_of(value)));
  }
  return std::string{storage};
}

std::int64_t need_int(const Value& value) {
  if (value.json() != nullptr && value.json()->is_int64()) return value.json()->get_int64();
  if (value.json() != nullptr && value.json()->is_uint64()) {
    return static_cast<std::int64_t>(value.json()->get_uint64());
  }
  throw invalid(cat("expected integer; found ", print(value)));
}

void need_count(const std::vector<Value>& arguments, std::size_t least, std::size_t most, std::string_view name) {
  if (arguments.size() >= least && arguments.size() <= most) return;
  throw invalid(cat("wrong number of args for ", name, ": want ", least == most ? "" : "at least ", least, " got ",
                    arguments.size()));
}

bool is_number(const json::value& value) { return value.is_number(); }

std::partial_ordering compare(const Value& a, const Value& b) {
  if (a.json() == nullptr || b.json() == nullptr) throw invalid("incompatible types for comparison");
  const json::value& x = *a.json();
  const json::value& y = *b.json();
  if (x.is_string() && y.is_string()) return std::string_view{x.get_string()} <=> std::string_view{y.get_string()};
  if (is_number(x) && is_number(y)) {
    if (x.is_double() || y.is_double()) return x.to_number<double>() <=> y.to_number<double>();
    return x.to_number<std::int64_t>() <=> y.to_number<std::int64_t>();
  }
  throw invalid("incompatible types for comparison");
}

bool equal(const Value& a, const Value& b) {
  if (a.is_null() || b.is_null()) return a.is_null() && b.is_null();
  if (a.json() == nullptr || b.json() == nullptr) throw invalid("incompatible types for comparison");
  if (a.json()->is_bool() && b.json()->is_bool()) return a.json()->get_bool() == b.json()->get_bool();
  return compare(a, b) == 0;
}

Value index_one(const Value& item, const Value& key) {
  if (item.json() == nullptr || item.json()->is_null()) throw invalid("index of untyped nil");
  if (item.json()->is_object()) {
    const json::value* found = item.json()->get_object().if_contains(need_text(key));
    // A missing key gives the zero value of the map's elements: nothing for JSON's.
    return found == nullptr ? Value{json::value(nullptr)} : item.part(*found, Shape::list);
  }
  if (item.json()->is_string() || item.json()->is_array()) {
    const std::int64_t at = need_int(key);
    const std::size_t size =
        item.json()->is_string() ? item.json()->get_string().size() : item.json()->get_array().size();
    if (at < 0 || static_cast<std::size_t>(at) >= size) throw invalid(cat("index out of range: ", at));
    if (item.json()->is_string()) {
      return Value{json::value(
          std::int64_t{static_cast<unsigned char>(item.json()->get_string()[static_cast<std::size_t>(at)])})};
    }
    return item.part(item.json()->get_array()[static_cast<std::size_t>(at)]);
  }
  throw invalid(cat("can't index item of type ", type_of(item)));
}

Value length(const Value& value) {
  const json::value* at = value.json();
  if (at != nullptr && at->is_string()) return Value{json::value(std::int64_t(at->get_string().size()))};
  if (at != nullptr && at->is_array()) return Value{json::value(std::int64_t(at->get_array().size()))};
  if (at != nullptr && at->is_object()) return Value{json::value(std::int64_t(at->get_object().size()))};
  if (value.is_null() && value.has_value()) return Value{json::value(std::int64_t{0})};
  throw invalid(cat("len of type ", type_of(value)));
}

Value slice(const std::vector<Value>& arguments) {
  need_count(arguments, 1, 3, "slice");
  const std::string whole = need_text(arguments[0]);
  const std::int64_t from = arguments.size() > 1 ? need_int(arguments[1]) : 0;
  const std::int64_t to = arguments.size() > 2 ? need_int(arguments[2]) : static_cast<std::int64_t>(whole.size());
  if (from < 0 || to < from || static_cast<std::size_t>(to) > whole.size()) throw invalid("index out of range");
  return text_value(
      std::string_view{whole}.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from)));
}

/// fmt.Sprint: a space between operands when neither is a string.
std::string sprint(const std::vector<Value>& arguments, bool line) {
  std::string out;
  bool was_text = true;
  for (const Value& value : arguments) {
    std::string_view storage;
    const bool is_text = as_text(value, storage) != nullptr;
    if (&value != &arguments.front() && (line || (!is_text && !was_text))) out += ' ';
    out += value.is_null() && value.shape() == Shape::plain ? "<nil>" : print(value);
    was_text = is_text;
  }
  if (line) out += '\n';
  return out;
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return text;
}

std::string title(std::string text) {
  bool start = true;
  for (char& c : text) {
    if (start && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    start = c == ' ' || c == '\t' || c == '\n' || c == '-';
  }
  return text;
}

Value join_list(const Value& list, const std::string& separator) {
  std::vector<std::string> pieces;
  if (list.json() != nullptr && list.json()->is_array()) {
    for (const json::value& element : list.json()->get_array()) pieces.push_back(print(list.part(element)));
  } else if (!list.is_null()) {
    throw invalid(cat("wrong type for value; expected []string; got ", type_of(list)));
  }
  return text_value(join(pieces, separator));
}

Value split_text(const Value& text, const Value& separator) {
  const std::string whole = need_text(text), by = need_text(separator);
  json::array pieces;
  std::size_t from = 0;
  while (!by.empty()) {
    const std::size_t at = whole.find(by, from);
    if (at == std::string::npos) break;
    pieces.emplace_back(json::string{whole.substr(from, at - from)});
    from = at + by.size();
  }
  pieces.emplace_back(json::string{whole.substr(from)});
  return Value{json::value(std::move(pieces))};
}

Value pad(const Value& text, std::int64_t before, std::int64_t after) {
  const std::string inner = need_text(text);
  if (inner.empty()) return text_value("");
  const auto spaces = [](std::int64_t count) {
    return std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(count, 0, 4096)), ' ');
  };
  return text_value(cat(spaces(before), inner, spaces(after)));
}

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

Value call_text_function(std::string_view name, const std::vector<Value>& arguments) {
  if (name == "json") {
    need_count(arguments, 1, 1, name);
    return text_value(to_json_text(arguments[0]));
  }
  if (name == "lower" || name == "upper" || name == "title") {
    need_count(arguments, 1, 1, name);
    const std::string text = need_text(arguments[0]);
    return text_value(name == "lower" ? to_lower(text) : name == "upper" ? upper(text) : title(text));
  }
  if (name == "split" || name == "join" || name == "truncate") {
    need_count(arguments, 2, 2, name);
    if (name == "split") return split_text(arguments[0], arguments[1]);
    if (name == "join") return join_list(arguments[0], need_text(arguments[1]));
    const std::string text = need_text(arguments[0]);
    return text_value(text.substr(0, static_cast<std::size_t>(std::max<std::int64_t>(0, need_int(arguments[1])))));
  }
  if (name == "pad") {
    need_count(arguments, 3, 3, name);
    return pad(arguments[0], need_int(arguments[1]), need_int(arguments[2]));
  }
  if (name == "html") return text_value(html_escaped(sprint(arguments, false)));
  if (name == "urlquery") return text_value(http_client::escape_url(sprint(arguments, false)));
  if (name == "print") return text_value(sprint(arguments, false));
  if (name == "println") return text_value(sprint(arguments, true));
  if (name == "printf") return text_value(format_go(arguments));
  throw invalid(cat("function ", quoted(name), " is not supported"));
}

Value truth(bool value) { return Value{json::value(value)}; }

}  // namespace

bool is_function(std::string_view name) { return std::ranges::find(kNames, name) != kNames.end(); }

Value call_function(std::string_view name, const std::vector<Value>& arguments) {
  if (name == "and" || name == "or") {
    need_count(arguments, 1, 1 << 16, name);
    for (const Value& value : arguments) {
      if (is_true(value) == (name == "or")) return value;
    }
    return arguments.back();
  }
  if (name == "not") {
    need_count(arguments, 1, 1, name);
    return truth(!is_true(arguments[0]));
  }
  if (name == "eq") {
    need_count(arguments, 2, 1 << 16, name);
    return truth(std::any_of(arguments.begin() + 1, arguments.end(),
                             [&](const Value& other) { return equal(arguments[0], other); }));
  }
  if (name == "ne" || name == "lt" || name == "le" || name == "gt" || name == "ge") {
    need_count(arguments, 2, 2, name);
    if (name == "ne") return truth(!equal(arguments[0], arguments[1]));
    const auto order = compare(arguments[0], arguments[1]);
    return truth(name == "lt" ? order < 0 : name == "le" ? order <= 0 : name == "gt" ? order > 0 : order >= 0);
  }
  if (name == "len") {
    need_count(arguments, 1, 1, name);
    return length(arguments[0]);
  }
  if (name == "index") {
    need_count(arguments, 1, 1 << 16, name);
    Value item = arguments[0];
    for (std::size_t i = 1; i < arguments.size(); ++i) item = index_one(item, arguments[i]);
    return item;
  }
  if (name == "slice") return slice(arguments);
  return call_text_function(name, arguments);
}

Value call_header_function(std::string_view name, const std::vector<Value>& arguments) {
  for (const std::string_view plain : {"json", "title", "lower", "upper", "pad", "truncate", "join", "split"}) {
    if (name == plain && !arguments.empty()) return arguments[0];
  }
  return call_function(name, arguments);
}

}  // namespace berth::tmpl
