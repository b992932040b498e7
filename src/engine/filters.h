#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace berth::engine {

/// The `filters` query parameter: name to values. Both of Docker's forms are read: {"label":["a=b"]} and the old
/// {"label":{"a=b":true}}.
class Filters {
 public:
  Filters() = default;
  /// Throws invalid ("invalid filter: …") for broken JSON.
  static Filters parse(std::string_view json);

  bool empty() const { return values_.empty(); }
  bool has(std::string_view name) const { return values_.contains(std::string{name}); }
  const std::vector<std::string>& get(std::string_view name) const;  ///< empty when absent
  void add(std::string name, std::string value) { values_[std::move(name)].push_back(std::move(value)); }
  /// Throws invalid ("invalid filter 'x'") unless every name is among `known`.
  void check_names(const std::set<std::string_view>& known) const;
  /// True when absent, or one value equals `value`.
  bool match_exact(std::string_view name, std::string_view value) const;
  /// True when absent; "key" and "key=value" against the labels, all must hold. `label!` is the negation.
  bool match_labels(const std::map<std::string, std::string>& labels) const;
  /// A boolean filter's value ("dangling"): `otherwise` when absent; throws invalid for a value that is none.
  bool get_bool(std::string_view name, bool otherwise) const;

 private:
  std::map<std::string, std::vector<std::string>> values_;
};

}  // namespace berth::engine
