#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "template/syntax.h"

namespace berth::tmpl {

enum class Purpose { rows, table_heading };

/// A --format text ready to run. Spec: Go's text/template, with Docker's functions.
class Template {
 public:
  /// Throws invalid: "template: :1: unclosed action".
  explicit Template(std::string source) : source_(std::move(source)), nodes_(parse_template(source_)) {}

  /// Throws invalid with Go's text: `template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"`.
  std::string run(const Value& data, Purpose purpose = Purpose::rows) const;

 private:
  std::string source_;
  std::vector<Node> nodes_;
};

}  // namespace berth::tmpl
