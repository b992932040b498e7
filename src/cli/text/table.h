#pragma once

#include <string>
#include <string_view>

namespace berth::cli {

/// What takes a column of a terminal each: UTF-8's bytes are not counted, what begins with them is.
std::size_t characters(std::string_view text);

struct TableLayout {
  std::size_t min_width = 10;
  std::size_t padding = 3;
};

/// Lays text whose cells end in tabs out in columns, as Go's text/tabwriter does: a column is a run of neighbouring
/// lines that have a tab-ended cell there; what follows the last tab of a line belongs to no column.
std::string align_columns(std::string_view text, TableLayout layout = {});

/// `text` cut to `width` characters, the last of them an ellipsis when something was cut off.
std::string ellipsis(std::string_view text, std::size_t width);

}  // namespace berth::cli
