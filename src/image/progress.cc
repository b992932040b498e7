#include "image/progress.h"

#include <array>
#include <cstdio>

#include "base/core/text.h"
#include "base/json/json.h"

namespace berth::image {

namespace {

constexpr std::uint64_t kBarWidth = 50;

std::string json_string(std::string_view text) {
  std::string out;
  json::write_string(out, text);
  return out;
}

std::string draw(std::uint64_t current, std::uint64_t total) {
  if (total == 0) return human_size(current);
  const auto share = static_cast<double>(current) / static_cast<double>(total);
  const std::uint64_t filled = std::min(kBarWidth, static_cast<std::uint64_t>(share * 100) / 2);
  std::string numbers = human_size(current);
  if (numbers.size() < 8) numbers.insert(0, 8 - numbers.size(), ' ');
  if (current <= total) numbers += cat("/", human_size(total));
  return cat("[", std::string(filled, '='), ">", std::string(kBarWidth - filled, ' '), "] ", numbers);
}

}  // namespace

std::string human_size(std::uint64_t bytes) {
  constexpr std::array kUnits{"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1000.0 && unit + 1 < kUnits.size()) {
    value /= 1000.0;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.4g%s", value, kUnits[unit]);
  return text;
}

void Progress::line(std::string_view json) {
  const std::string text = cat(json, "\r\n");
  const std::lock_guard lock{mutex_};
  sink_.write(text);
}

void Progress::step(std::string_view action, std::string_view id) {
  if (quiet_) return;
  line(cat("{\"status\":", json_string(action), ",\"progressDetail\":{},\"id\":", json_string(id), "}"));
}

void Progress::headline(std::string_view text, std::string_view id) {
  line(cat("{\"status\":", json_string(text), ",\"id\":", json_string(id), "}"));
}

void Progress::aux(std::string_view json) { line(cat("{\"progressDetail\":{},\"aux\":", json, "}")); }

void Progress::stream(std::string_view text) { line(cat("{\"stream\":", json_string(text), "}")); }

void Progress::status(std::string_view text) { line(cat("{\"status\":", json_string(text), "}")); }

void Progress::error(std::string_view message) {
  const std::string text = json_string(message);
  line(cat("{\"errorDetail\":{\"message\":", text, "},\"error\":", text, "}"));
}

void Progress::advance(std::string_view action, std::string_view id, std::uint64_t current, std::uint64_t total) {
  if (quiet_) return;
  line(cat("{\"status\":", json_string(action), ",\"progressDetail\":{\"current\":", current, ",\"total\":", total,
           "},\"progress\":", json_string(draw(current, total)), id.empty() ? "" : cat(",\"id\":", json_string(id)),
           "}"));
}

ProgressSource::ProgressSource(ByteSource& origin, Progress& progress, std::string action, std::string id,
                               std::uint64_t total, std::chrono::milliseconds delay)
    : origin_(origin),
      progress_(progress),
      action_(std::move(action)),
      id_(std::move(id)),
      total_(total),
      next_(std::chrono::steady_clock::now() + delay) {}

std::size_t ProgressSource::read(char* buffer, std::size_t size) {
  const std::size_t got = origin_.read(buffer, size);
  current_ += got;
  const auto now = std::chrono::steady_clock::now();
  const bool unfinished = shown_ != 0 && shown_ != current_;  // a bar that has begun is drawn to its end
  if (got != 0 ? now >= next_ : unfinished) {
    next_ = now + std::chrono::milliseconds{100};
    progress_.advance(action_, id_, current_, total_);
    shown_ = current_;
  }
  return got;
}

void ProgressSink::write(std::string_view bytes) {
  target_.write(bytes);
  current_ += bytes.size();
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + std::chrono::milliseconds{100};
  progress_.advance(action_, id_, current_, total_);
}

}  // namespace berth::image
