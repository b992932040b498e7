#include "cli/text/volume_row.h"

#include "base/core/text.h"
#include "cli/text/units.h"

namespace berth::cli {

ListFormat volume_list_format() {
  return {.type_name = "*formatter.volumeContext",
          .headings = {{"Name", "VOLUME NAME"},
                       {"Driver", "DRIVER"},
                       {"Scope", "SCOPE"},
                       {"Availability", "AVAILABILITY"},
                       {"Mountpoint", "MOUNTPOINT"},
                       {"Labels", "LABELS"},
                       {"Links", "LINKS"},
                       {"Size", "SIZE"},
                       {"Group", "GROUP"},
                       {"Status", "STATUS"}},
          .default_table = "table {{.Driver}}\\t{{.Name}}"};
}

Row volume_row(const Json& volume) {
  const Json& usage = at(volume, "UsageData");
  const bool known = usage.is_object();
  Row row{"*formatter.volumeContext"};
  row.set("Name", text_at(volume, "Name"))
      .set("Driver", text_at(volume, "Driver"))
      .set("Scope", text_at(volume, "Scope"))
      .set("Mountpoint", text_at(volume, "Mountpoint"))
      .set("Availability", "N/A")
      .set("Group", "N/A")
      .set("Status", "N/A")
      .set("Links", known ? cat(number_at(usage, "RefCount")) : "N/A")
      .set("Size", known ? human_size(double_at(usage, "Size"), 4) : "N/A")
      .set_labels(map_at(volume, "Labels"));
  return row;
}

}  // namespace berth::cli
