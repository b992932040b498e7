#include "template/value.h"

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <cmath>

#include "base/core/text.h"

namespace berth::tmpl {

namespace json = boost::json;

Value Value::borrow(const json::value& json) {
  Value value;
  value.json_ = std::shared_ptr<const json::value>{std::shared_ptr<void>{}, &json};
  return value;
}

Value Value::part(const json::value& of_this, Shape shape) const {
  Value value;
  value.json_ = std::shared_ptr<const json::value>{json_, &of_this};
  value.shape_ = shape;
  return value;
}

bool is_true(const Value& value) {
  if (value.object() != nullptr) return true;
  const json::value* at = value.json();
  if (at == nullptr) return false;
  switch (at->kind()) {
    case json::kind::null: return false;
    case json::kind::bool_: return at->get_bool();
    case json::kind::int64: return at->get_int64() != 0;
    case json::kind::uint64: return at->get_uint64() != 0;
    case json::kind::double_: return at->get_double() != 0;
    case json::kind::string: return !at->get_string().empty();
    case json::kind::array: return !at->get_array().empty();
    case json::kind::object: return !at->get_object().empty();
  }
  return false;
}

namespace {

/// Go's %v of a float64: shortest digits that read back the same, exponents from 1e21 on and below 1e-4.
std::string print_double(double number) {
  char buffer[64];
  const double size = std::abs(number);
  const auto format =
      size != 0 && (size < 1e-4 || size >= 1e21) ? std::chars_format::scientific : std::chars_format::fixed;
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number, format).ptr;
  return {buffer, end};
}

std::string print_json(const json::value& at, Shape shape, bool inside);

std::string print_object(const json::object& object, Shape shape) {
  std::string out = shape == Shape::map ? "map[" : "{";
  std::vector<const json::key_value_pair*> members;
  for (const auto& member : object) members.push_back(&member);
  if (shape == Shape::map) {
    std::ranges::sort(members, {}, [](const auto* member) { return std::string_view{member->key()}; });
  }
  for (const auto* member : members) {
    if (member != members.front()) out += ' ';
    if (shape == Shape::map) out += cat(std::string_view{member->key()}, ":");
    // Below the top, "Config" is a log driver's options.
    const Shape inner = member->key() == "Config" ? Shape::map : shape_of(member->key());
    out += print_json(member->value(), shape == Shape::map ? Shape::plain : inner, true);
  }
  return out + (shape == Shape::map ? ']' : '}');
}

std::string print_json(const json::value& at, Shape shape, bool inside) {
  switch (at.kind()) {
    case json::kind::null:
      if (shape == Shape::map) return "map[]";
      if (shape == Shape::list) return "[]";
      return shape == Shape::pointer || inside ? "<nil>" : "<no value>";
    case json::kind::bool_: return at.get_bool() ? "true" : "false";
    case json::kind::int64: return cat(at.get_int64());
    case json::kind::uint64: return cat(at.get_uint64());
    case json::kind::double_: return print_double(at.get_double());
    case json::kind::string: return std::string{at.get_string()};
    case json::kind::object: return print_object(at.get_object(), shape);
    case json::kind::array: break;
  }
  std::string out = "[";
  for (const json::value& element : at.get_array()) {
    if (&element != &at.get_array().front()) out += ' ';
    out += print_json(element, Shape::plain, true);
  }
  return out + ']';
}

}  // namespace

std::string print(const Value& value) {
  if (value.object() != nullptr) return value.object()->json_text();
  if (value.json() == nullptr) return "<no value>";
  return print_json(*value.json(), value.shape(), false);
}

std::string to_json_text(const Value& value) {
  if (value.object() != nullptr) return value.object()->json_text();
  if (value.json() == nullptr) return "null";
  return json::serialize(*value.json());
}

std::string type_of(const Value& value) {
  if (value.object() != nullptr) return std::string{value.object()->type_name()};
  if (value.json() == nullptr) return "interface {}";
  switch (value.json()->kind()) {
    case json::kind::null: return "interface {}";
    case json::kind::bool_: return "bool";
    case json::kind::int64:
    case json::kind::uint64: return "int";
    case json::kind::double_: return "float64";
    case json::kind::string: return "string";
    case json::kind::array: return "[]interface {}";
    case json::kind::object: return "map[string]interface {}";
  }
  return "interface {}";
}

Shape shape_of(std::string_view member) {
  static constexpr std::array kMaps = {std::string_view{"Labels"},
                                       std::string_view{"ExposedPorts"},
                                       std::string_view{"Volumes"},
                                       std::string_view{"Ports"},
                                       std::string_view{"PortBindings"},
                                       std::string_view{"Networks"},
                                       std::string_view{"Options"},
                                       std::string_view{"Data"},
                                       std::string_view{"Sysctls"},
                                       std::string_view{"Tmpfs"},
                                       std::string_view{"StorageOpt"},
                                       std::string_view{"DriverOpts"},
                                       std::string_view{"Annotations"},
                                       std::string_view{"Attributes"},
                                       std::string_view{"Runtimes"},
                                       std::string_view{"Containers"},
                                       std::string_view{"AuxiliaryAddresses"},
                                       std::string_view{"IndexConfigs"},
                                       std::string_view{"Status"}};
  static constexpr std::array kPointers = {
      std::string_view{"Health"},      std::string_view{"Healthcheck"},    std::string_view{"Init"},
      std::string_view{"PidsLimit"},   std::string_view{"OomKillDisable"}, std::string_view{"MemorySwappiness"},
      std::string_view{"StopTimeout"}, std::string_view{"SizeRw"},         std::string_view{"SizeRootFs"},
      std::string_view{"IPAMConfig"},  std::string_view{"UsageData"}};
  if (std::ranges::find(kMaps, member) != kMaps.end()) return Shape::map;
  if (std::ranges::find(kPointers, member) != kPointers.end()) return Shape::pointer;
  return Shape::list;  // what else is null in Docker's objects is nearly always an empty list
}

std::optional<Value> omitted_member(std::string_view name) {
  struct Known {
    std::string_view name;
    json::kind kind;
  };
  static constexpr std::array kKnown = {
      Known{"Health", json::kind::null},       Known{"Healthcheck", json::kind::null},
      Known{"StopTimeout", json::kind::null},  Known{"Init", json::kind::null},
      Known{"SizeRw", json::kind::null},       Known{"SizeRootFs", json::kind::null},
      Known{"UsageData", json::kind::null},    Known{"Mounts", json::kind::array},
      Known{"Sysctls", json::kind::null},      Known{"Tmpfs", json::kind::null},
      Known{"StorageOpt", json::kind::null},   Known{"Annotations", json::kind::null},
      Known{"ExposedPorts", json::kind::null}, Known{"Shell", json::kind::null},
      Known{"StopSignal", json::kind::string}, Known{"MacAddress", json::kind::string},
      Known{"Author", json::kind::string},     Known{"Comment", json::kind::string},
      Known{"Variant", json::kind::string},    Known{"OsVersion", json::kind::string},
      Known{"Container", json::kind::string},  Known{"CreatedAt", json::kind::string},
      Known{"ExecIDs", json::kind::null},      Known{"NetworkDisabled", json::kind::bool_},
      Known{"GraphDriver", json::kind::null}};
  for (const Known& known : kKnown) {
    if (known.name != name) continue;
    switch (known.kind) {
      case json::kind::array: return Value{json::value(json::array_kind)};
      case json::kind::string: return Value{json::value("")};
      case json::kind::bool_: return Value{json::value(false)};
      default: {
        const Value null{json::value(nullptr)};
        return null.part(*null.json(), shape_of(name));
      }
    }
  }
  return std::nullopt;
}

}  // namespace berth::tmpl
