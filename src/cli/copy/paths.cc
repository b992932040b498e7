#include "cli/copy/paths.h"

#include "archive/unpack.h"
#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::cli::copy {

Operand parse_operand(const std::string& text) {
  const std::size_t colon = text.find(':');
  // "/a:b" and "./a:b" are local files with a colon in their name.
  if (text.starts_with('/') || text.starts_with('.') || colon == std::string::npos)
    return {.container = "", .path = text};
  return {.container = text.substr(0, colon), .path = text.substr(colon + 1)};
}

std::string base_of(std::string_view path) {
  if (path.empty()) return ".";
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path == "/" ? "/" : std::string{path.substr(path.rfind('/') + 1)};
}

std::string parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return archive::go_clean(slash == std::string_view::npos ? "." : path.substr(0, slash + 1));
}

bool means_content(std::string_view path) { return base_of(path) == "."; }

std::string clean_keeping_end(std::string_view path, std::string_view original) {
  std::string clean = archive::go_clean(path);
  if (!means_content(clean) && means_content(original)) clean += clean.ends_with('/') ? "." : "/.";
  if (!clean.ends_with('/') && original.ends_with('/')) clean += '/';
  return clean;
}

std::pair<std::string, std::string> split_entry(std::string_view path) {
  std::string clean = archive::go_clean(path);
  if (means_content(path)) clean += clean.ends_with('/') ? "." : "/.";
  return {parent_of(clean), base_of(clean)};
}

Plan plan_copy(const Source& source, const Destination& destination) {
  const std::string source_base = split_entry(source.path).second;
  const auto [parent, name] = split_entry(destination.path);
  const std::string old_base = source.rebase_name.empty() ? source_base : source.rebase_name;
  if (destination.exists && destination.is_folder) return {destination.path, "", ""};
  if (destination.exists && source.is_folder) throw invalid("cannot copy directory");
  const bool wants_folder = destination.path.ends_with('/') || means_content(destination.path);
  if (!destination.exists && !source.is_folder && wants_folder) throw invalid("no such directory");
  return {parent, old_base, name};
}

std::string renamed(const std::string& name, const Plan& plan) {
  if (plan.old_base == plan.new_base) return name;
  const std::string old = plan.old_base == "/" ? "" : plan.old_base;
  std::string result = name;
  const std::size_t at = name.find(old);
  if (at != std::string::npos) result.replace(at, old.size(), plan.new_base);
  return result;
}

std::pair<std::string, std::string> follow_source(std::string_view path, std::string target) {
  if (means_content(path) && !means_content(target)) target += "/.";
  if (path.ends_with('/') && !target.ends_with('/')) target += '/';
  return {target, base_of(path) == base_of(target) ? std::string{} : base_of(path)};
}

}  // namespace berth::cli::copy
