#pragma once

#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace berth::tmpl {

class Value;

/// Something a template can ask for members of that is not plain JSON: a row of a table.
class Object {
 public:
  virtual ~Object() = default;
  /// A field or a method with arguments; nullopt when there is none of that name.
  virtual std::optional<Value> member(std::string_view name, const std::vector<Value>& arguments) const = 0;
  virtual std::string json_text() const = 0;
  virtual std::string_view type_name() const = 0;  ///< in errors: "*formatter.ContainerContext"
};

/// What Go would hold where JSON has only null or an object: decides how it prints and whether it is true.
enum class Shape { plain, map, list, pointer };

/// One value of a running template. Parts of a document are shared with it, never copied.
class Value {
 public:
  Value() = default;  ///< Go's invalid value: "<no value>"
  explicit Value(boost::json::value json) : json_(std::make_shared<const boost::json::value>(std::move(json))) {}
  explicit Value(const Object& object) : object_(&object) {}
  /// Refers to `json`, which must outlive the value.
  static Value borrow(const boost::json::value& json);
  Value part(const boost::json::value& of_this, Shape shape = Shape::plain) const;

  bool has_value() const { return json_ != nullptr || object_ != nullptr; }
  const boost::json::value* json() const { return json_.get(); }
  const Object* object() const { return object_; }
  Shape shape() const { return shape_; }
  bool is_null() const { return !has_value() || (json_ && json_->is_null()); }

 private:
  std::shared_ptr<const boost::json::value> json_;
  const Object* object_ = nullptr;
  Shape shape_ = Shape::plain;
};

bool is_true(const Value& value);       ///< text/template's truth
std::string print(const Value& value);  ///< as {{ }} shows it
std::string to_json_text(const Value& value);
std::string type_of(const Value& value);

/// The Go shape of a member of Docker's API objects, by its name.
Shape shape_of(std::string_view member);
/// What Go's struct holds in a member that the daemon leaves out of its JSON when it is empty (State.Health);
/// nullopt for names that are no such member.
std::optional<Value> omitted_member(std::string_view name);

}  // namespace berth::tmpl
