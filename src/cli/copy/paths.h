#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

/// What `docker cp A B` means, which depends on what A and B are and on how they are written ("dir", "dir/", "dir/.").
/// The rules are Docker's; they are tested without files.
namespace berth::cli::copy {

/// One side of the command line: "web:/etc" or a local path.
struct Operand {
  std::string container;  ///< "" for a local one
  std::string path;
};
Operand parse_operand(const std::string& text);

std::string base_of(std::string_view path);    ///< filepath.Base
std::string parent_of(std::string_view path);  ///< filepath.Dir
bool means_content(std::string_view path);     ///< "dir/.": what is in it, not itself
/// filepath.Clean with a final "/" or "/." of the original put back.
std::string clean_keeping_end(std::string_view path, std::string_view original);
/// Folder and name; "dir/." is split into "dir" and ".".
std::pair<std::string, std::string> split_entry(std::string_view path);

struct Source {
  std::string path;
  bool is_folder = false;
  std::string rebase_name;  ///< what its entry shall be called, when a symlink was followed
};
struct Destination {
  std::string path;
  bool exists = false, is_folder = false;
};

/// Where the archive is unpacked, and what becomes of the first component of its entries' names.
struct Plan {
  std::string folder;
  std::string old_base, new_base;  ///< equal: nothing to be renamed
};
/// Throws invalid: "cannot copy directory", "no such directory".
Plan plan_copy(const Source& source, const Destination& destination);

/// The name of an entry after renaming: the first occurrence of `old_base` is replaced, as Docker does.
std::string renamed(const std::string& name, const Plan& plan);
/// What a followed symlink makes of the source: its target with the end of `path`, and the name it was asked by.
std::pair<std::string, std::string> follow_source(std::string_view path, std::string target);

}  // namespace berth::cli::copy
