#include "cli/text/table.h"

#include <algorithm>
#include <vector>

#include "base/core/text.h"

namespace berth::cli {

namespace {

using Lines = std::vector<std::vector<std::string>>;

class Aligner {
 public:
  Aligner(const Lines& lines, TableLayout layout) : lines_(lines), layout_(layout) {}

  /// Writes lines [first, last), whose first widths_.size() columns have their widths already.
  void format(std::size_t first, std::size_t last) {
    const std::size_t column = widths_.size();
    std::size_t written = first;
    for (std::size_t line = first; line < last; ++line) {
      if (column + 1 >= lines_[line].size()) continue;
      write_lines(written, line);
      std::size_t end = line;
      std::size_t width = layout_.min_width;
      for (; end < last && column + 1 < lines_[end].size(); ++end) {
        width = std::max(width, characters(lines_[end][column]) + layout_.padding);
      }
      widths_.push_back(width);
      format(line, end);
      widths_.pop_back();
      written = end;
      line = end - 1;
    }
    write_lines(written, last);
  }

  std::string take() { return std::move(out_); }

 private:
  void write_lines(std::size_t first, std::size_t last) {
    for (std::size_t line = first; line < last; ++line) {
      const std::vector<std::string>& cells = lines_[line];
      for (std::size_t i = 0; i < cells.size(); ++i) {
        out_ += cells[i];
        if (i < widths_.size() && i + 1 < cells.size()) {
          out_.append(widths_[i] - std::min(widths_[i], characters(cells[i])), ' ');
        }
      }
      if (line + 1 < lines_.size()) out_ += '\n';
    }
  }

  const Lines& lines_;
  TableLayout layout_;
  std::vector<std::size_t> widths_;
  std::string out_;
};

}  // namespace

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string align_columns(std::string_view text, TableLayout layout) {
  Lines lines;
  for (const std::string& line : split(text, '\n')) lines.push_back(split(line, '\t'));
  Aligner aligner{lines, layout};
  aligner.format(0, lines.size());
  return aligner.take();
}

std::string ellipsis(std::string_view text, std::size_t width) {
  if (characters(text) <= width) return std::string{text};
  if (width == 0) return "";
  std::size_t seen = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) continue;
    if (seen++ == width - 1) return cat(text.substr(0, at), "\xE2\x80\xA6");
  }
  return std::string{text};
}

}  // namespace berth::cli
