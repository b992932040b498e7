#pragma once

#include <optional>
#include <string>

#include "cli/json_view.h"
#include "cli/text/rows.h"

namespace berth::cli {

/// What a container uses, worked out of one answer of GET /containers/{id}/stats.
struct Usage {
  std::string name, id;
  double cpu_percent = 0;  ///< of one processor
  double memory = 0, memory_limit = 0;
  double net_received = 0, net_sent = 0, block_read = 0, block_written = 0;
  std::uint64_t processes = 0;
};

Usage usage_of(const Json& stats);

ListFormat stats_list_format();
/// `container` as it was asked for; without its usage (not known yet) dashes.
Row stats_row(const std::string& container, const std::optional<Usage>& usage, bool no_trunc);

}  // namespace berth::cli
