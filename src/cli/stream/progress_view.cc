#include "cli/stream/progress_view.h"

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/json/json.h"
#include "cli/json_view.h"

namespace berth::cli {

void ProgressView::show(const std::string& line) {
  if (trim(line).empty()) return;
  const Json message = berth::json::parse(line);
  std::string error = text_at(at(message, "errorDetail"), "message");
  if (error.empty()) error = text_at(message, "error");
  if (!error.empty()) throw system_error(error);
  if (const std::string stream = text_at(message, "stream"); !stream.empty()) {
    say_(stream);
    return;
  }
  const std::string status = text_at(message, "status"), id = text_at(message, "id");
  if (status.empty()) return;
  const std::string bar = text_at(message, "progress");
  const bool is_step = at(message, "progressDetail").is_object();
  if (terminal_ && is_step && !id.empty()) {
    draw(id, cat(id, ": ", status, bar.empty() ? "" : " ", bar));
    return;
  }
  if (!bar.empty()) return;
  std::string text = id.empty() ? cat(status, "\n") : cat(id, ": ", status, "\n");
  if (text != last_) say_(text);
  last_ = std::move(text);
}

/// Up to the row of `id`, the new text, and down again.
void ProgressView::draw(const std::string& id, const std::string& text) {
  const auto [row, is_new] = rows_.try_emplace(id, static_cast<int>(rows_.size()));
  if (is_new) {
    say_(cat(text, "\n"));
    return;
  }
  const int up = static_cast<int>(rows_.size()) - row->second;
  say_(cat("\x1b[", up, "A\x1b[2K\r", text, "\r\x1b[", up, "B"));
}

}  // namespace berth::cli
