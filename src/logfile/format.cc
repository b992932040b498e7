#include "logfile/format.h"

#include <algorithm>

#include "base/core/text.h"
#include "logfile/record.h"

namespace berth::logfile {

Whole whole_entries(Format format, std::string_view bytes) {
  if (format == Format::json) {
    const std::size_t last = bytes.rfind('\n');
    if (last == std::string_view::npos) return {};
    return {.size = last + 1, .count = static_cast<std::uint64_t>(std::ranges::count(bytes.substr(0, last + 1), '\n'))};
  }
  Whole whole;
  for (;;) {
    const std::optional<std::size_t> size = record_size(bytes.substr(whole.size));
    whole.damaged = !size;
    if (!size || *size == 0) return whole;
    whole.size += *size;
    ++whole.count;
  }
}

std::string missing_text(std::uint64_t count, std::string_view reason) {
  return cat("berth: ", count, count == 1 ? " log entry is" : " log entries are", " missing here: ", reason);
}

}  // namespace berth::logfile
