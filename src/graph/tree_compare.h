#pragma once

#include <optional>
#include <string>

#include "base/sys/fd.h"

namespace berth::graph {

/// The first difference between two trees of which one should be the other's copy, as "etc/passwd has another mode";
/// nullopt when there is none. Compared are names, kinds, modes, owners, sizes, devices, symlinks' texts, extended
/// attributes, hard links and files' times: everything but the data. The two roots themselves may differ, and folders
/// in their times. `actual` is the tree that the words are about.
std::optional<std::string> find_difference(sys::FdRef actual, sys::FdRef expected);

}  // namespace berth::graph
