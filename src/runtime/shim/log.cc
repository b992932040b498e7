#include "runtime/shim/log.h"

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"
#include "runtime/shim/forwarded_log.h"
#include "runtime/shim/json_log.h"
#include "runtime/shim/local_log.h"
#include "runtime/shim/ring_log.h"

namespace berth::runtime::shim {

Carried carry_on(std::string_view& bytes, LineState& state) {
  const std::size_t end = bytes.find('\n');
  const std::size_t piece = std::min({end, bytes.size(), kLineLimit - state.carry.size()});
  state.carry.append(bytes.substr(0, piece));
  bytes.remove_prefix(piece);
  const bool full = state.carry.size() == kLineLimit;  // as in Docker even if a newline is the very next byte
  if (!full && bytes.empty()) return {};
  if (!full) bytes.remove_prefix(1);
  return {.entry = true, .line_ends = !full};
}

std::unique_ptr<Log> open_file_log(const LogTarget& target, Outside outside) {
  if (target.driver == "local") return std::make_unique<LocalLog>(target, std::move(outside));
  return std::make_unique<JsonLog>(target, std::move(outside));
}

std::unique_ptr<Log> open_log(Loop& loop, const LogTarget& target, Outside outside, std::function<void()> changed) {
  if (target.driver == "none" || target.driver.empty()) return nullptr;
  if (target.driver != "json-file" && target.driver != "local") {
    throw invalid(cat("unknown log driver ", quoted(target.driver)));
  }
  if (!target.sink.empty()) {
    return std::make_unique<ForwardedLog>(loop, target, std::move(outside), std::move(changed));
  }
  if (target.ring_bytes) return std::make_unique<RingLog>(loop, target, std::move(outside), std::move(changed));
  return open_file_log(target, std::move(outside));
}

}  // namespace berth::runtime::shim
