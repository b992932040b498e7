#include "cli/text/rows.h"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "base/core/error.h"
#include "base/core/text.h"
#include "cli/text/table.h"

namespace berth::cli {

namespace {

tmpl::Value text_value(std::string_view text) { return tmpl::Value{boost::json::value(boost::json::string{text})}; }

/// Go's json.Marshal of a string: <, > and & escaped.
std::string go_json_string(std::string_view text) {
  std::string out;
  for (const char c : boost::json::serialize(boost::json::string{text})) {
    if (c == '<')
      out += "\\u003c";
    else if (c == '>')
      out += "\\u003e";
    else if (c == '&')
      out += "\\u0026";
    else
      out += c;
  }
  return out;
}

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// What a table's template sees when its first line is made.
class HeadingRow : public tmpl::Object {
 public:
  explicit HeadingRow(const Headings& headings) : headings_(headings) {}

  std::optional<tmpl::Value> member(std::string_view name, const std::vector<tmpl::Value>& arguments) const override {
    if (name == "Label" && arguments.size() == 1) {  // the last part of the key, its dashes as spaces
      std::string key = tmpl::print(arguments[0]);
      key = key.substr(key.rfind('.') + 1);
      std::ranges::replace(key, '-', ' ');
      std::ranges::replace(key, '_', ' ');
      return text_value(key);
    }
    const auto found = std::ranges::find(headings_, name, &Headings::value_type::first);
    return found == headings_.end() ? tmpl::Value{} : text_value(found->second);
  }
  std::string json_text() const override { return "{}"; }
  std::string_view type_name() const override { return "map[string]interface {}"; }

 private:
  const Headings& headings_;
};

}  // namespace

Row& Row::set(std::string_view name, std::string text) {
  cells_[std::string{name}] = std::move(text);
  return *this;
}

Row& Row::set_null(std::string_view name) {
  cells_[std::string{name}] = std::nullopt;
  return *this;
}

Row& Row::set_labels(std::map<std::string, std::string> labels) {
  std::vector<std::string> pairs;
  for (const auto& [key, value] : labels) pairs.push_back(cat(key, "=", value));
  set("Labels", join(pairs, ","));
  labels_ = std::move(labels);
  return *this;
}

std::optional<tmpl::Value> Row::member(std::string_view name, const std::vector<tmpl::Value>& arguments) const {
  if (name == "Label" && labels_) {
    if (arguments.size() != 1) throw invalid(cat("wrong number of args for Label: want 1 got ", arguments.size()));
    const auto found = labels_->find(tmpl::print(arguments[0]));
    return text_value(found == labels_->end() ? "" : found->second);
  }
  const auto found = cells_.find(name);
  if (found == cells_.end()) return std::nullopt;
  return text_value(found->second.value_or(""));
}

std::string Row::json_text() const {
  std::string out = "{";
  for (const auto& [name, text] : cells_) {
    if (out.size() > 1) out += ',';
    out += cat(go_json_string(name), ":", text ? go_json_string(*text) : "null");
  }
  return out + "}";
}

std::string resolve_format(const ListFormat& list, const std::string& format) {
  if (format.empty() || format == "table") return list.default_table;
  if (format == "json") return "{{json .}}";
  return format;
}

std::string render_rows(const ListFormat& list, const std::string& format, const std::vector<Row>& rows) {
  std::string source = resolve_format(list, format);
  const bool table = source.starts_with("table");
  if (table) source = trim(std::string_view{source}.substr(5));
  source = replace_all(replace_all(std::move(source), "\\t", "\t"), "\\n", "\n");
  std::string out;
  try {
    const tmpl::Template parsed{source};
    for (const Row& row : rows) {
      try {
        out += cat(parsed.run(tmpl::Value{row}), "\n");
      } catch (Error& error) {
        throw invalid(cat(list.complaint, ": ", error.text()));
      }
    }
    if (!table) return out;
    const HeadingRow heading{list.headings};
    return align_columns(cat(parsed.run(tmpl::Value{heading}, tmpl::Purpose::table_heading), "\n", out));
  } catch (Error& error) {
    if (error.text().starts_with(list.complaint)) throw;
    throw invalid(cat("failed to parse template: ", error.text()));
  }
}

std::string render_value(const std::string& format, const tmpl::Value& value) {
  try {
    return cat(tmpl::Template{format == "json" ? "{{json .}}" : format}.run(value), "\n");
  } catch (Error& error) {
    throw invalid(cat("template parsing error: ", error.text()));
  }
}

std::string indent_json(std::string_view text, std::string_view indent) {
  std::string out;
  std::size_t depth = 0;
  bool in_string = false, just_opened = false;
  const auto new_line = [&] {
    out += '\n';
    for (std::size_t i = 0; i < depth; ++i) out += indent;
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      out += c;
      if (c == '\\' && at + 1 < text.size())
        out += text[++at];
      else if (c == '"')
        in_string = false;
      continue;
    }
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') continue;
    if (just_opened && c != '}' && c != ']') {
      ++depth;
      new_line();
    }
    const bool was_empty = just_opened && (c == '}' || c == ']');
    just_opened = c == '{' || c == '[';
    if ((c == '}' || c == ']') && !was_empty) {
      --depth;
      new_line();
    }
    out += c;
    if (c == '"') in_string = true;
    if (c == ',') new_line();
    if (c == ':') out += ' ';
  }
  return out;
}

}  // namespace berth::cli
