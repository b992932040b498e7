#pragma once

#include <string>
#include <string_view>

#include "cli/json_view.h"
#include "cli/text/rows.h"

namespace berth::cli {

inline constexpr std::string_view kContainerTable =
    "table {{.ID}}\\t{{.Image}}\\t{{.Command}}\\t{{.RunningFor}}\\t{{.Status}}\\t{{.Ports}}\\t{{.Names}}";

ListFormat container_list_format();

/// A line of `ps` out of one element of GET /containers/json.
Row container_row(const Json& container, bool no_trunc);

/// "0.0.0.0:8080->80/tcp, 0.0.0.0:9000-9002->9000-9002/tcp": neighbouring ports are drawn together.
std::string port_summary(const boost::json::array& ports);

/// "5 minutes ago" for a moment in seconds since the epoch.
std::string time_ago(std::int64_t seconds);
std::string short_id(std::string_view id);  ///< 12 digits, without "sha256:"

}  // namespace berth::cli
