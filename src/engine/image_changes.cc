#include "engine/image_changes.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "base/core/error.h"
#include "base/core/text.h"
#include "container/ports.h"
#include "container/signals.h"
#include "engine/go_duration.h"

namespace berth::engine {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

/// Words with quotes and backslashes still in them, cut at white space outside of quotes.
std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  char quote = 0;
  bool in_word = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote == 0 && is_space(c)) {
      if (in_word) words.push_back(std::move(word));
      word.clear();
      in_word = false;
      continue;
    }
    in_word = true;
    word += c;
    if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
      word += text[++i];
    } else if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    }
  }
  if (in_word) words.push_back(std::move(word));
  return words;
}

/// Takes quotes and backslashes away and puts variables in, as a shell does with one word.
class Expansion {
 public:
  explicit Expansion(const std::vector<std::string>& environment) {
    for (const std::string& entry : environment) {
      const std::size_t equals = entry.find('=');
      if (equals != std::string::npos) variables_[entry.substr(0, equals)] = entry.substr(equals + 1);
    }
  }

  std::string operator()(std::string_view text) const {
    std::string out;
    bool in_double = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (c == '\'' && !in_double) {
        const std::size_t end = text.find('\'', i + 1);
        if (end == std::string_view::npos)
          throw invalid("unexpected end of statement while looking for matching single-quote");
        out += text.substr(i + 1, end - i - 1);
        i = end;
      } else if (c == '"') {
        in_double = !in_double;
      } else if (c == '\\' && i + 1 < text.size()) {
        const char next = text[++i];
        if (in_double && next != '"' && next != '$' && next != '\\') out += '\\';
        out += next;
      } else if (c == '$') {
        out += variable(text, i);
      } else {
        out += c;
      }
    }
    if (in_double) throw invalid("unexpected end of statement while looking for matching double-quote");
    return out;
  }

 private:
  /// At a '$'; leaves `i` on the last character used.
  std::string variable(std::string_view text, std::size_t& i) const {
    if (i + 1 < text.size() && text[i + 1] == '{') {
      const std::size_t end = text.find('}', i);
      if (end == std::string_view::npos) throw invalid("syntax error: missing '}'");
      const std::string_view inner = text.substr(i + 2, end - i - 2);
      i = end;
      const std::size_t name_end = std::find_if_not(inner.begin(), inner.end(), is_name) - inner.begin();
      std::string value = find(inner.substr(0, name_end));
      const std::string_view rest = inner.substr(name_end);
      if (rest.empty()) return value;
      if (rest.starts_with(":-")) return value.empty() ? (*this)(rest.substr(2)) : value;
      if (rest.starts_with(":+")) return value.empty() ? "" : (*this)(rest.substr(2));
      throw invalid(cat("unsupported modifier (", rest.substr(0, 2), ") in substitution"));
    }
    std::size_t end = i + 1;
    while (end < text.size() && is_name(text[end])) ++end;
    if (end == i + 1) return "$";
    const std::string value = find(text.substr(i + 1, end - i - 1));
    i = end - 1;
    return value;
  }

  std::string find(std::string_view name) const {
    const auto at = variables_.find(std::string{name});
    return at == variables_.end() ? std::string{} : at->second;
  }

  std::map<std::string, std::string> variables_;
};

std::optional<std::vector<std::string>> parse_json_list(std::string_view text) {
  if (!text.starts_with('[')) return std::nullopt;
  try {
    return json::from_json<std::vector<std::string>>(text);
  } catch (const Error&) {
    return std::nullopt;  // then it is a command for the shell that happens to begin with a bracket
  }
}

/// "/a/../b/" as Go's path.Clean makes it.
std::string clean(std::string_view path) {
  std::vector<std::string> parts;
  for (std::string& part : split(path, '/')) {
    if (part == ".." && !parts.empty())
      parts.pop_back();
    else if (!part.empty() && part != "." && part != "..")
      parts.push_back(std::move(part));
  }
  return cat("/", join(parts, "/"));
}

class Changes {
 public:
  explicit Changes(oci::ContainerConfig& config) : config_(config) {}

  void apply(std::string_view command, std::string_view arguments) {
    const std::string name = to_lower(command);
    using Handler = void (Changes::*)(std::string_view);
    static const std::map<std::string_view, Handler> kHandlers{{"cmd", &Changes::cmd},
                                                               {"entrypoint", &Changes::entrypoint},
                                                               {"env", &Changes::env},
                                                               {"expose", &Changes::expose},
                                                               {"healthcheck", &Changes::healthcheck},
                                                               {"label", &Changes::label},
                                                               {"onbuild", &Changes::onbuild},
                                                               {"shell", &Changes::shell},
                                                               {"stopsignal", &Changes::stop_signal},
                                                               {"user", &Changes::user},
                                                               {"volume", &Changes::volume},
                                                               {"workdir", &Changes::working_dir}};
    const auto handler = kHandlers.find(name);
    if (handler == kHandlers.end()) throw invalid(cat(name, " is not a valid change command"));
    (this->*handler->second)(arguments);
  }

 private:
  static Error needs_one(std::string_view name) { return invalid(cat(name, " requires at least one argument")); }

  std::string expand(std::string_view text) const { return Expansion{config_.env}(text); }

  std::vector<std::string> command_line(std::string_view arguments) const {
    if (auto list = parse_json_list(arguments)) return *list;
    if (arguments.empty()) return {};
    std::vector<std::string> line =
        config_.shell.empty() ? std::vector<std::string>{"/bin/sh", "-c"} : config_.shell.items;
    line.emplace_back(arguments);
    return line;
  }

  void cmd(std::string_view arguments) {
    config_.cmd = {command_line(arguments), true};
    cmd_set_ = true;
  }

  void entrypoint(std::string_view arguments) {
    config_.entrypoint = {command_line(arguments), true};
    if (!cmd_set_) config_.cmd = {};  // the old one was meant for another program
  }

  /// "K=V K2=V2", or the old form "K the whole rest".
  std::vector<std::pair<std::string, std::string>> pairs(std::string_view name, std::string_view arguments) const {
    if (arguments.empty()) throw needs_one(name);
    const Expansion expansion{config_.env};
    const std::vector<std::string> words = split_words(arguments);
    std::vector<std::pair<std::string, std::string>> result;
    if (words.front().find('=') == std::string::npos) {
      if (words.size() < 2) throw invalid(cat(name, " must have two arguments"));
      const std::string_view rest = trim(arguments.substr(words.front().size()));
      return {{expansion(words.front()), expansion(rest)}};
    }
    for (const std::string& word : words) {
      const std::size_t equals = word.find('=');
      if (equals == std::string::npos) {
        throw invalid(cat("Syntax error - can't find = in ", quoted(word), ". Must be of the form: name=value"));
      }
      if (equals == 0) throw invalid(cat(name, " names can not be blank"));
      result.emplace_back(expansion(word.substr(0, equals)), expansion(word.substr(equals + 1)));
    }
    return result;
  }

  void env(std::string_view arguments) {
    for (const auto& [key, value] : pairs("ENV", arguments)) {
      const std::string prefix = cat(key, "=");
      const auto old = std::ranges::find_if(config_.env, [&](const auto& entry) { return entry.starts_with(prefix); });
      if (old != config_.env.end())
        *old = prefix + value;
      else
        config_.env.push_back(prefix + value);
    }
  }

  void label(std::string_view arguments) {
    for (auto& [key, value] : pairs("LABEL", arguments)) config_.labels[key] = std::move(value);
  }

  void expose(std::string_view arguments) {
    if (arguments.empty()) throw needs_one("EXPOSE");
    for (const std::string& word : split_words(arguments)) {
      const std::string spec = expand(word);
      const std::size_t slash = spec.find('/');
      const std::string protocol = slash == std::string::npos ? "tcp" : to_lower(spec.substr(slash + 1));
      const container::PortRange range = container::parse_port_range(spec.substr(0, slash));
      if (range.first == 0) throw invalid(cat("invalid containerPort: ", spec));
      for (unsigned port = range.first; port <= range.last; ++port) {
        config_.exposed_ports[container::to_string(container::parse_port(cat(port, "/", protocol)))];
      }
    }
  }

  void user(std::string_view arguments) {
    if (split_words(arguments).size() != 1) throw invalid("USER requires exactly one argument");
    config_.user = expand(arguments);
  }

  void stop_signal(std::string_view arguments) {
    if (split_words(arguments).size() != 1) throw invalid("STOPSIGNAL requires exactly one argument");
    const std::string name = expand(arguments);
    container::parse_signal(name);
    config_.stop_signal = name;
  }

  void working_dir(std::string_view arguments) {
    if (arguments.empty()) throw invalid("WORKDIR requires exactly one argument");
    const std::string path = expand(arguments);
    config_.working_dir = clean(path.starts_with('/') ? path : cat(config_.working_dir, "/", path));
  }

  void volume(std::string_view arguments) {
    if (arguments.empty()) throw needs_one("VOLUME");
    const auto list = parse_json_list(arguments);
    for (const std::string& word : list ? *list : split_words(arguments)) {
      const std::string path{trim(expand(word))};
      if (path.empty()) throw invalid("VOLUME specified can not be an empty string");
      config_.volumes[path];
    }
  }

  void shell(std::string_view arguments) {
    const auto list = parse_json_list(arguments);
    if (!list) throw invalid("SHELL requires the arguments to be in JSON form");
    if (list->empty()) throw needs_one("SHELL");
    config_.shell = {*list, true};
  }

  void onbuild(std::string_view arguments) {
    const std::vector<std::string> words = split_words(arguments);
    if (words.empty()) throw needs_one("ONBUILD");
    std::string trigger = to_lower(words.front());
    std::ranges::transform(trigger, trigger.begin(), [](char c) { return c >= 'a' && c <= 'z' ? char(c - 32) : c; });
    if (trigger == "ONBUILD") throw invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (trigger == "FROM" || trigger == "MAINTAINER")
      throw invalid(cat(trigger, " isn't allowed as an ONBUILD trigger"));
    config_.on_build.emplace_back(arguments);
  }

  void healthcheck(std::string_view arguments) {
    oci::HealthConfig health;
    while (arguments.starts_with("--")) {
      const std::size_t end = std::min(arguments.find_first_of(" \t"), arguments.size());
      set_health_flag(health, arguments.substr(2, end - 2));
      arguments = trim(arguments.substr(end));
    }
    const std::size_t end = std::min(arguments.find_first_of(" \t"), arguments.size());
    const std::string kind = to_lower(arguments.substr(0, end));
    const std::string_view rest = trim(arguments.substr(end));
    if (kind.empty()) throw needs_one("HEALTHCHECK");
    if (kind == "none") {
      if (!rest.empty()) throw invalid("HEALTHCHECK NONE takes no arguments");
      health.test = {"NONE"};
    } else if (kind == "cmd") {
      if (rest.empty()) throw invalid("Missing command after HEALTHCHECK CMD");
      const auto list = parse_json_list(rest);
      health.test = list ? std::vector<std::string>{"CMD"} : std::vector<std::string>{"CMD-SHELL", std::string{rest}};
      if (list) health.test.insert(health.test.end(), list->begin(), list->end());
    } else {
      throw invalid(cat("Unknown type ", quoted(arguments.substr(0, end)), " in HEALTHCHECK (try CMD)"));
    }
    config_.healthcheck = std::move(health);
  }

  static void set_health_flag(oci::HealthConfig& health, std::string_view flag) {
    const std::size_t equals = flag.find('=');
    const std::string_view name = flag.substr(0, equals);
    const std::string value{equals == std::string_view::npos ? std::string_view{} : flag.substr(equals + 1)};
    if (name == "retries") {
      const auto retries = parse_number<std::int64_t>(value);
      if (!retries) throw invalid(cat("strconv.ParseInt: parsing ", quoted(value), ": invalid syntax"));
      if (*retries < 0) throw invalid(cat("--retries cannot be negative (", *retries, ")"));
      health.retries = *retries;
      return;
    }
    std::int64_t* field = name == "interval"         ? &health.interval
                          : name == "timeout"        ? &health.timeout
                          : name == "start-period"   ? &health.start_period
                          : name == "start-interval" ? &health.start_interval
                                                     : nullptr;
    if (field == nullptr) throw invalid(cat("unknown flag: --", name));
    const auto duration = parse_go_duration(value);
    if (!duration) throw invalid(cat("time: invalid duration ", quoted(value)));
    if (duration->count() != 0 && *duration < std::chrono::milliseconds{1}) {
      throw invalid(cat("Interval ", quoted(name), " cannot be less than 1ms"));
    }
    *field = duration->count();
  }

  oci::ContainerConfig& config_;
  bool cmd_set_ = false;
};

}  // namespace

oci::ContainerConfig apply_changes(oci::ContainerConfig config, const std::vector<std::string>& changes) {
  Changes applied{config};
  // One text, as a Dockerfile: a line that ends in a backslash goes on in the next.
  std::string line;
  for (const std::string& text : split(join(changes, "\n"), '\n')) {
    std::string_view piece = trim(text);
    if (line.empty() && piece.starts_with('#')) continue;
    const bool goes_on = piece.ends_with('\\');
    if (goes_on) piece.remove_suffix(1);
    line += piece;
    if (goes_on) continue;
    const std::string_view whole = trim(line);
    if (!whole.empty()) {
      const std::size_t end = std::min(whole.find_first_of(" \t"), whole.size());
      applied.apply(whole.substr(0, end), trim(whole.substr(end)));
    }
    line.clear();
  }
  if (!trim(line).empty()) throw invalid("unexpected end of statement");
  return config;
}

}  // namespace berth::engine
