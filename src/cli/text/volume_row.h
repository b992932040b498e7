#pragma once

#include "cli/json_view.h"
#include "cli/text/rows.h"

namespace berth::cli {

ListFormat volume_list_format();
Row volume_row(const Json& volume);  ///< of GET /volumes or /system/df

}  // namespace berth::cli
