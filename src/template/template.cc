#include "template/template.h"

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"
#include "template/functions.h"

namespace berth::tmpl {

namespace json = boost::json;

namespace {

enum class Flow { next, break_, continue_ };

struct Variable {
  std::string name;
  Value value;
};

class Run {
 public:
  Run(std::string_view source, const Value& data, Purpose purpose) : source_(source), purpose_(purpose) {
    variables_.push_back({"$", data});
  }

  Flow walk(const std::vector<Node>& nodes, const Value& dot) {
    for (const Node& node : nodes) {
      if (const Flow flow = step(node, dot); flow != Flow::next) return flow;
    }
    return Flow::next;
  }

  std::string take() { return std::move(out_); }

 private:
  [[noreturn]] void fail(const Operand& at, std::string_view what) const {
    const std::size_t line_start = source_.rfind('\n', at.at);
    const std::size_t column = line_start == std::string_view::npos ? at.at : at.at - line_start - 1;
    const auto line = 1 + std::ranges::count(source_.substr(0, at.at), '\n');
    throw invalid(cat("template: :", line, ":", column, ": executing \"\" at <", at.source, ">: ", what));
  }

  Flow step(const Node& node, const Value& dot) {
    switch (node.kind) {
      case Node::Kind::text: out_ += node.text; return Flow::next;
      case Node::Kind::action: {
        const Value value = evaluate(node.pipeline, dot);
        if (node.pipeline.variables.empty()) out_ += print(value);
        return Flow::next;
      }
      case Node::Kind::break_: return Flow::break_;
      case Node::Kind::continue_: return Flow::continue_;
      case Node::Kind::if_:
      case Node::Kind::with: return conditional(node, dot);
      case Node::Kind::range: return range(node, dot);
    }
    return Flow::next;
  }

  Flow conditional(const Node& node, const Value& dot) {
    const std::size_t scope = variables_.size();
    const Value value = evaluate(node.pipeline, dot);
    const bool yes = is_true(value);
    const Value& inner = yes && node.kind == Node::Kind::with ? value : dot;
    const Flow flow = walk(yes ? node.body : node.otherwise, inner);
    variables_.resize(scope);
    return flow;
  }

  Flow range(const Node& node, const Value& dot) {
    const std::size_t scope = variables_.size();
    Pipeline const& pipeline = node.pipeline;
    const Value list = evaluate_commands(pipeline, dot);
    bool any = false;
    const auto once = [&](Value key, Value element) {
      any = true;
      if (pipeline.variables.size() == 1) set(pipeline, pipeline.variables[0], element);
      if (pipeline.variables.size() == 2) {
        set(pipeline, pipeline.variables[0], std::move(key));
        set(pipeline, pipeline.variables[1], element);
      }
      const Flow flow = walk(node.body, element);
      variables_.resize(scope);
      return flow != Flow::break_;
    };
    each(node, list, once);
    if (!any) walk(node.otherwise, dot);
    return Flow::next;
  }

  template <class Once>
  void each(const Node& node, const Value& list, const Once& once) {
    const json::value* at = list.json();
    if (list.is_null()) return;
    if (at != nullptr && at->is_array()) {
      for (std::size_t i = 0; i < at->get_array().size(); ++i) {
        if (!once(Value{json::value(std::int64_t(i))}, list.part(at->get_array()[i]))) return;
      }
    } else if (at != nullptr && at->is_object()) {
      std::vector<const json::key_value_pair*> members;
      for (const auto& member : at->get_object()) members.push_back(&member);
      std::ranges::sort(members, {}, [](const auto* member) { return std::string_view{member->key()}; });
      for (const auto* member : members) {
        if (!once(Value{json::value(json::string{member->key()})}, list.part(member->value(), Shape::list))) return;
      }
    } else if (at != nullptr && at->is_int64()) {
      for (std::int64_t i = 0; i < at->get_int64(); ++i) {
        if (!once(Value{json::value(i)}, Value{json::value(i)})) return;
      }
    } else {
      fail(node.pipeline.commands.back().operands.front(), cat("range can't iterate over ", print(list)));
    }
  }

  void set(const Pipeline& pipeline, const std::string& name, Value value) {
    if (pipeline.assign) {
      for (auto at = variables_.rbegin(); at != variables_.rend(); ++at) {
        if (at->name != name) continue;
        at->value = std::move(value);
        return;
      }
    }
    variables_.push_back({name, std::move(value)});
  }

  Value evaluate(const Pipeline& pipeline, const Value& dot) {
    Value value = evaluate_commands(pipeline, dot);
    for (const std::string& name : pipeline.variables) set(pipeline, name, value);
    return value;
  }

  Value evaluate_commands(const Pipeline& pipeline, const Value& dot) {
    std::optional<Value> piped;
    for (const Command& command : pipeline.commands) piped = evaluate(command, dot, piped);
    return std::move(*piped);
  }

  Value evaluate(const Command& command, const Value& dot, const std::optional<Value>& piped) {
    const Operand& first = command.operands.front();
    const bool has_arguments = command.operands.size() > 1 || piped.has_value();
    if (first.kind == Operand::Kind::function && first.fields.empty()) return call(command, dot, piped);
    if (!has_arguments) return evaluate(first, dot, {});
    if (first.fields.empty()) fail(first, cat("can't give argument to non-function ", first.source));
    return evaluate(first, dot, arguments(command, dot, piped));
  }

  std::vector<Value> arguments(const Command& command, const Value& dot, const std::optional<Value>& piped) {
    std::vector<Value> out;
    for (std::size_t i = 1; i < command.operands.size(); ++i) out.push_back(evaluate(command.operands[i], dot, {}));
    if (piped) out.push_back(*piped);
    return out;
  }

  Value call(const Command& command, const Value& dot, const std::optional<Value>& piped) {
    const Operand& function = command.operands.front();
    if (function.name == "and" || function.name == "or") return short_cut(command, dot, piped);
    try {
      const std::vector<Value> values = arguments(command, dot, piped);
      return purpose_ == Purpose::rows ? call_function(function.name, values)
                                       : call_header_function(function.name, values);
    } catch (const Error& error) {
      if (error.text().starts_with("template: ")) throw;
      const bool misuse = error.text().starts_with("wrong number") || error.text().starts_with("wrong type");
      Operand whole;
      whole.at = function.at;
      whole.source = misuse ? function.source : command.source;
      fail(whole, misuse ? error.text() : cat("error calling ", function.name, ": ", error.text()));
    }
  }

  Value short_cut(const Command& command, const Value& dot, const std::optional<Value>& piped) {
    const bool stop_at = command.operands.front().name == "or";
    Value value;
    for (std::size_t i = 1; i < command.operands.size(); ++i) {
      value = evaluate(command.operands[i], dot, {});
      if (is_true(value) == stop_at) return value;
    }
    return piped ? *piped : value;
  }

  Value evaluate(const Operand& operand, const Value& dot, const std::vector<Value>& method_arguments) {
    Value value = base(operand, dot);
    for (const std::string& name : operand.fields) {
      value = field(operand, value, name, &name == &operand.fields.back() ? method_arguments : std::vector<Value>{});
    }
    return value;
  }

  Value base(const Operand& operand, const Value& dot) {
    switch (operand.kind) {
      case Operand::Kind::literal: return operand.literal;
      case Operand::Kind::nil: return Value{json::value(nullptr)};
      case Operand::Kind::dot: return dot;
      case Operand::Kind::pipeline: return evaluate(*operand.pipeline, dot);
      case Operand::Kind::function: return call_function(operand.name, {});
      case Operand::Kind::variable: break;
    }
    for (auto at = variables_.rbegin(); at != variables_.rend(); ++at) {
      if (at->name == operand.name) return at->value;
    }
    fail(operand, cat("undefined variable: ", operand.name));
  }

  Value field(const Operand& operand, const Value& owner, const std::string& name,
              const std::vector<Value>& method_arguments) {
    if (owner.object() != nullptr) {
      if (auto found = owner.object()->member(name, method_arguments)) return std::move(*found);
      fail(operand, cat("can't evaluate field ", name, " in type ", owner.object()->type_name()));
    }
    if (!method_arguments.empty()) fail(operand, cat(name, " is not a method but has arguments"));
    if (owner.is_null()) fail(operand, cat("nil pointer evaluating interface {}.", name));
    if (!owner.json()->is_object()) fail(operand, cat("can't evaluate field ", name, " in type interface {}"));
    const json::object& object = owner.json()->get_object();
    if (const json::value* found = object.if_contains(name)) return owner.part(*found, shape_of(name));
    // Docker's templates see Go's structs first, whose names are capitals in places where JSON's are not (ID, Id).
    for (const auto& member : object) {
      if (name.front() >= 'A' && name.front() <= 'Z' && iequals(member.key(), name)) {
        return owner.part(member.value(), shape_of(name));
      }
    }
    if (owner.shape() == Shape::map) return {};  // Go's map of strings: a key that is not there is no error
    if (auto omitted = omitted_member(name)) return std::move(*omitted);
    if (purpose_ == Purpose::table_heading) return {};
    fail(operand, cat("map has no entry for key ", quoted(name)));
  }

  std::string_view source_;
  Purpose purpose_;
  std::string out_;
  std::vector<Variable> variables_;
};

}  // namespace

std::string Template::run(const Value& data, Purpose purpose) const {
  Run run{source_, data, purpose};
  run.walk(nodes_, data);
  return run.take();
}

}  // namespace berth::tmpl
