#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// What a daemon can be told: dockerd's flags and daemon.json keys under their own names, from one table. A
/// setting is kept as text until somebody asks for it by type, so that flags, file and reload go the same
/// way. Source: `dockerd --help` of 20.10 to 28, docs.docker.com "Daemon configuration file".
namespace berth::daemon {

enum class Kind { boolean, text, number, list, map };
enum class Effect {
  works,     ///< the daemon does what it says
  none_yet,  ///< accepted, and the log says that it has no effect
};

struct Setting {
  std::string_view key;   ///< in daemon.json
  std::string_view flag;  ///< without dashes; "" when only the file has it
  char shorthand;         ///< '\0' when there is none
  Kind kind;
  Effect effect;
  std::string_view help;
};

const std::vector<Setting>& all_settings();

/// Values by key. A boolean is "true"/"false", a map's entry is "name=value".
class Settings {
 public:
  bool has(std::string_view key) const { return values_.contains(key); }
  std::string text(std::string_view key, std::string_view otherwise = "") const;
  bool boolean(std::string_view key, bool otherwise) const;
  std::int64_t number(std::string_view key, std::int64_t otherwise) const;
  const std::vector<std::string>& list(std::string_view key) const;  ///< empty when absent
  std::map<std::string, std::string> map(std::string_view key) const;

  /// Adds to a list or map, replaces anything else. Throws invalid when the text is not of the setting's
  /// kind.
  void set(const Setting& setting, std::string value);
  const std::map<std::string, std::vector<std::string>, std::less<>>& values() const { return values_; }

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

struct CommandLine {
  Settings settings;
  bool help = false, version = false, validate = false;
};

/// Reads a command line (without the program's name) in pflag's forms: --x=y, --x y, -xy, -x y, -Dx. Throws
/// invalid with pflag's texts ("unknown flag: --x").
CommandLine parse_command_line(const std::vector<std::string>& arguments);

/// Reads daemon.json's text. Throws invalid for broken JSON, unknown keys ("the following directives don't
/// match any configuration option: x") and wrong types.
Settings parse_config_file(std::string_view json);

/// Both together. Throws invalid for a key that is in both ("the following directives are specified both as a
/// flag and in the configuration file: …"), as dockerd does; lists of hosts too.
Settings merge(const Settings& flags, const Settings& file);

/// One line each for what was set and has no effect.
std::vector<std::string> without_effect(const Settings& settings);

std::string help_text(std::string_view program);

}  // namespace berth::daemon
