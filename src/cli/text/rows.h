#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "template/template.h"

/// Lists as docker prints them: rows of named cells, a heading for each name, and --format in all its forms.
namespace berth::cli {

/// One line of a list. Its cells are the fields of a template: {{.ID}}, {{.Label "key"}}.
class Row : public tmpl::Object {
 public:
  explicit Row(std::string_view type_name) : type_name_(type_name) {}

  Row& set(std::string_view name, std::string text);
  Row& set_null(std::string_view name);                        ///< null in JSON, "" in templates
  Row& set_labels(std::map<std::string, std::string> labels);  ///< makes {{.Labels}} and {{.Label "key"}}

  std::optional<tmpl::Value> member(std::string_view name, const std::vector<tmpl::Value>& arguments) const override;
  std::string json_text() const override;  ///< keys sorted, as Go marshals a map
  std::string_view type_name() const override { return type_name_; }

 private:
  std::string_view type_name_;
  std::map<std::string, std::optional<std::string>, std::less<>> cells_;
  std::optional<std::map<std::string, std::string>> labels_;
};

using Headings = std::vector<std::pair<std::string_view, std::string_view>>;  ///< {"ID", "CONTAINER ID"}

struct ListFormat {
  std::string_view type_name;  ///< of the rows, for messages: "*formatter.ContainerContext"
  Headings headings;
  std::string default_table;  ///< "table {{.ID}}\t{{.Image}}"
  /// What is said of a template that does not fit the rows.
  std::string_view complaint = "template parsing error";
};

/// The template that --format stands for: "", "table", "json", "table TEMPLATE" or one of one's own.
std::string resolve_format(const ListFormat& list, const std::string& format);
/// Everything to be printed. Throws invalid with docker's text when the template is wrong.
std::string render_rows(const ListFormat& list, const std::string& format, const std::vector<Row>& rows);

/// One template over one value, with a line's end: --format of version, info, inspect, events.
std::string render_value(const std::string& format, const tmpl::Value& value);

/// JSON text as Go's MarshalIndent or Indent lays it out; the order and form of everything stays.
std::string indent_json(std::string_view text, std::string_view indent);

}  // namespace berth::cli
