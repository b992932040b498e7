#include "cli/copy/progress.h"

#include "base/core/text.h"
#include "cli/cli.h"
#include "cli/text/units.h"

namespace berth::cli::copy {

namespace {
constexpr std::chrono::milliseconds kBetweenLines{250};
}

std::size_t CountedSource::read(char* buffer, std::size_t size) {
  const std::size_t got = origin_.read(buffer, size);
  count_ += got;
  if (!header_.empty() && std::chrono::steady_clock::now() - shown_ >= kBetweenLines) show();
  return got;
}

void CountedSource::show() {
  shown_ = std::chrono::steady_clock::now();
  std::string line = cat(header_, human_size(static_cast<double>(count_), 3));
  const std::size_t width = line.size();
  if (width < width_) line.append(width_ - width, ' ');
  width_ = width;
  Cli::err(cat("\r", line));
}

void CountedSource::finish(const std::string& where) {
  if (header_.empty()) return;
  const std::string blank = width_ == 0 ? "" : cat("\r", std::string(width_, ' '), "\r");
  Cli::err_line(cat(blank, "Successfully copied ", human_size(static_cast<double>(count_), 3), " ", where));
}

}  // namespace berth::cli::copy
