#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "template/value.h"

/// Go's text/template language: the parsed form.
namespace berth::tmpl {

struct Pipeline;

/// One word of a command: a literal, ".", ".A.B", "$x.A", a function's name, or a pipeline in parentheses; `fields`
/// are the members asked of it.
struct Operand {
  enum class Kind { literal, nil, dot, variable, function, pipeline } kind = Kind::dot;
  std::size_t at = 0;  ///< offset in the source, as Go counts it in messages
  std::string source;  ///< as written
  Value literal;
  std::string name;  ///< of the variable ("$x") or function
  std::unique_ptr<Pipeline> pipeline;
  std::vector<std::string> fields;
};

struct Command {
  std::vector<Operand> operands;
  std::string source;
};

struct Pipeline {
  std::vector<std::string> variables;  ///< declared, or set with `assign`
  bool assign = false;
  std::vector<Command> commands;
};

struct Node {
  enum class Kind { text, action, if_, with, range, break_, continue_ } kind = Kind::text;
  std::string text;
  Pipeline pipeline;
  std::vector<Node> body, otherwise;
};

/// Throws invalid with Go's text: "template: :1: unclosed action".
std::vector<Node> parse_template(std::string_view source);

}  // namespace berth::tmpl
