#pragma once

#include <string_view>
#include <vector>

#include "cli/json_view.h"
#include "cli/text/rows.h"

namespace berth::cli {

inline constexpr std::string_view kImageTable =
    "table {{.Repository}}\\t{{.Tag}}\\t{{.ID}}\\t{{.CreatedSince}}\\t{{.Size}}";
inline constexpr std::string_view kImageDigestTable =
    "table {{.Repository}}\\t{{.Tag}}\\t{{.Digest}}\\t{{.ID}}\\t{{.CreatedSince}}\\t{{.Size}}";

ListFormat image_list_format();

/// The lines of one image of GET /images/json: one for each tag, with `digests` one for each digest of a tag.
std::vector<Row> image_rows(const Json& image, bool no_trunc, bool digests);

/// A line of GET /images/{name}/history.
Row history_row(const Json& layer, bool no_trunc, bool human);

}  // namespace berth::cli
