#pragma once

#include <string>
#include <string_view>

/// Paths as Go's path/filepath and Docker's archive package take them apart: `docker cp` is defined in these terms.
namespace berth::engine::files {

std::string base_of(std::string_view path);  ///< "/a/b/" is "b", "/" is "/", "" is "."
/// filepath.Join("/", path), with a final "/" or "/." of the original put back: they say that a folder is meant.
std::string absolute(std::string_view path);
/// What lies between a folder and itself: "/a" is in "/a" and in "/", but not in "/ab".
bool is_within(std::string_view path, std::string_view folder);

}  // namespace berth::engine::files
