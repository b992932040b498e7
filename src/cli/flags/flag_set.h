#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/error.h"

/// Command-line flags as the pflag library reads them, since scripts rely on each of its forms: --name value,
/// --name=value, -n value, -nvalue, -n=value, bundles (-it), --bool=false, and -- as the end of flags.
namespace berth::cli {

enum class AfterPositional {
  keep_parsing,  ///< flags may follow arguments (docker stop a -t 1)
  stop,          ///< the first argument ends the flags: the rest belongs to the container (docker run img ls -l)
};

struct Flag {
  std::string name;
  char shorthand = 0;
  std::string kind;  ///< what --help shows for the value: string, list, bytes; "" for a bool
  std::string description;
  std::string default_text;  ///< shown as (default …) when not empty
  bool hidden = false;
  bool is_bool = false;
  bool changed = false;
  /// Takes one value; throws invalid with the reason when it makes no sense.
  std::function<void(const std::string&)> set;
};

class FlagSet {
 public:
  Flag& boolean(bool& target, std::string name, char shorthand, std::string description);
  Flag& text(std::string& target, std::string name, char shorthand, std::string description,
             std::string kind = "string");
  Flag& list(std::vector<std::string>& target, std::string name, char shorthand, std::string description,
             std::string kind = "list");
  /// A list whose values `check` looks at as they come (it throws invalid).
  Flag& checked_list(std::vector<std::string>& target, std::string name, char shorthand, std::string description,
                     std::string kind, std::function<void(const std::string&)> check);
  Flag& number(std::int64_t& target, std::string name, char shorthand, std::string description,
               std::string kind = "int");
  /// Sizes as "64m" (go-units); the value is in bytes.
  Flag& bytes(std::int64_t& target, std::string name, char shorthand, std::string description);
  /// Go durations ("1m30s"); the value is in nanoseconds.
  Flag& duration(std::int64_t& target, std::string name, char shorthand, std::string description);
  /// A flag with a reader of its own.
  Flag& custom(std::string name, char shorthand, std::string kind, std::string description,
               std::function<void(const std::string&)> set);

  /// Sets the targets and returns the arguments. Throws invalid with pflag's text ("unknown flag: --x").
  /// A --help or -h that is no flag of the set sets help_wanted().
  std::vector<std::string> parse(const std::vector<std::string>& words, AfterPositional mode);

  bool help_wanted() const { return help_wanted_; }
  bool changed(std::string_view name) const;
  /// Every visible flag, by name, described in lines of `width` columns, as docker's --help lays them out.
  std::string usage(std::size_t width) const;
  bool empty() const { return flags_.empty(); }

 private:
  Flag& add(Flag flag);
  Flag* find(std::string_view name);
  Flag* find(char shorthand);
  void parse_long(const std::vector<std::string>& words, std::size_t& at);
  void parse_short(const std::vector<std::string>& words, std::size_t& at);
  static void assign(Flag& flag, const std::string& value);

  std::vector<Flag*> by_name() const;
  std::vector<std::unique_ptr<Flag>> flags_;  // addresses stay: callers keep references
  bool help_wanted_ = false;
};

}  // namespace berth::cli
