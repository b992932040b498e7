#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cstdlib>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/json/json.h"
#include "cli/files.h"
#include "cli/options/resources.h"

namespace berth::cli {

namespace {

/// Lines of an env or label file: white space in front and comments dropped.
std::vector<std::string> file_lines(const std::string& path) {
  const std::string content = read_given_file(path);
  std::vector<std::string> lines;
  for (std::string& line : split(content, '\n')) {
    if (line.ends_with('\r')) line.pop_back();
    line.erase(0, std::min(line.find_first_not_of(" \t"), line.size()));
    if (!line.empty() && line.front() != '#') lines.push_back(std::move(line));
  }
  return lines;
}

const char* own_environment(const std::string& name) {
  return std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): one thread
}

void check_variable(const std::string& path, const std::string& line) {
  const std::string name = line.substr(0, line.find('='));
  if (name.empty()) throw invalid(cat("invalid env file (", path, "): no variable name on line '", line, "'"));
  if (name.find_first_of(" \t") != std::string::npos) {
    throw invalid(cat("invalid env file (", path, "): variable '", name, "' contains whitespaces"));
  }
}

}  // namespace

std::map<std::string, std::string> pairs_to_map(const std::vector<std::string>& pairs) {
  std::map<std::string, std::string> out;
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    out[pair.substr(0, equals)] = equals == std::string::npos ? "" : pair.substr(equals + 1);
  }
  return out;
}

std::vector<std::string> read_environment(const std::vector<std::string>& files,
                                          const std::vector<std::string>& given) {
  std::vector<std::string> out;
  for (const std::string& path : files) {
    for (const std::string& line : file_lines(path)) {
      check_variable(path, line);
      if (line.find('=') != std::string::npos) {
        out.push_back(line);
      } else if (const char* value = own_environment(line)) {
        out.push_back(cat(line, "=", value));
      }
    }
  }
  for (const std::string& variable : given) {
    const std::size_t equals = variable.find('=');
    if (equals == 0 || variable.empty()) throw invalid(cat("invalid environment variable: ", variable));
    const char* value = equals == std::string::npos ? own_environment(variable) : nullptr;
    out.push_back(value == nullptr ? variable : cat(variable, "=", value));
  }
  return out;
}

std::map<std::string, std::string> read_labels(const std::vector<std::string>& files,
                                               const std::vector<std::string>& given) {
  std::vector<std::string> pairs;
  for (const std::string& path : files) {
    for (std::string& line : file_lines(path)) {
      if (line.front() == '=')
        throw invalid(cat("invalid label file (", path, "): no label name on line '", line, "'"));
      pairs.push_back(std::move(line));
    }
  }
  for (const std::string& label : given) {
    if (label.empty() || label.front() == '=') throw invalid(cat("invalid label '", label, "': empty name"));
    pairs.push_back(label);
  }
  return pairs_to_map(pairs);
}

SecurityOptions parse_security(const std::vector<std::string>& given) {
  SecurityOptions out;
  for (const std::string& option : given) {
    if (option == "systempaths=unconfined") {
      out.unconfined_paths = true;
      continue;
    }
    std::size_t sign = option.find('=');
    if (sign == std::string::npos && !option.starts_with("no-new-privileges")) sign = option.find(':');
    if (sign == std::string::npos && !option.starts_with("no-new-privileges")) {
      throw invalid(cat("Invalid --security-opt: ", quoted(option)));
    }
    const std::string value = sign == std::string::npos ? "" : option.substr(sign + 1);
    if (option.substr(0, sign) != "seccomp" || value == "unconfined" || value == "builtin") {
      out.options.push_back(option);
      continue;
    }
    try {
      out.options.push_back(cat("seccomp=", boost::json::serialize(json::parse(read_given_file(value)))));
    } catch (const Error& error) {
      throw invalid(error.kind() == ErrorKind::system
                        ? cat("opening seccomp profile (", value, ") failed: ", error.text())
                        : cat("compacting json for seccomp profile (", value, ") failed: ", error.text()));
    }
  }
  return out;
}

}  // namespace berth::cli
