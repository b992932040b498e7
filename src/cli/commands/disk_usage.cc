#include <algorithm>
#include <map>

#include "base/core/text.h"
#include "cli/commands/commands.h"
#include "cli/json_view.h"
#include "cli/text/container_row.h"
#include "cli/text/image_row.h"
#include "cli/text/units.h"
#include "cli/text/volume_row.h"

namespace berth::cli {

namespace {

struct Line {
  std::string_view type;
  std::size_t total = 0, active = 0;
  double size = 0, reclaimable = 0;
};

Line images_line(const Json& usage) {
  Line line{.type = "Images", .size = double_at(usage, "LayersSize")};
  double used = 0;
  for (const Json& image : array_at(usage, "Images")) {
    ++line.total;
    if (number_at(image, "Containers") <= 0) continue;
    ++line.active;
    const std::int64_t size = number_at(image, "Size"), shared = number_at(image, "SharedSize", -1);
    if (size != -1 && shared != -1) used += static_cast<double>(size - shared);
  }
  line.reclaimable = line.size - used;
  return line;
}

Line containers_line(const Json& usage) {
  Line line{.type = "Containers"};
  for (const Json& container : array_at(usage, "Containers")) {
    ++line.total;
    const std::string state = text_at(container, "State");
    const bool active = state == "running" || state == "paused" || state == "restarting";
    const double size = double_at(container, "SizeRw");
    line.size += size;
    if (active)
      ++line.active;
    else
      line.reclaimable += size;
  }
  return line;
}

Line volumes_line(const Json& usage) {
  Line line{.type = "Local Volumes"};
  for (const Json& volume : array_at(usage, "Volumes")) {
    ++line.total;
    const Json& data = at(volume, "UsageData");
    const double size = std::max(0.0, double_at(data, "Size"));
    line.size += size;
    if (number_at(data, "RefCount") > 0)
      ++line.active;
    else
      line.reclaimable += size;
  }
  return line;
}

Line cache_line(const Json& usage) {
  Line line{.type = "Build Cache"};
  for (const Json& record : array_at(usage, "BuildCache")) {
    ++line.total;
    if (bool_at(record, "InUse")) ++line.active;
    if (bool_at(record, "Shared")) continue;
    line.size += double_at(record, "Size");
    if (!bool_at(record, "InUse")) line.reclaimable += double_at(record, "Size");
  }
  return line;
}

Row row_of(const Line& line) {
  std::string reclaimable = human_size(line.reclaimable);
  // docker shows no share for the build cache.
  if (line.type != "Build Cache" && line.size > 0) {
    reclaimable += cat(" (", static_cast<std::int64_t>(line.reclaimable * 100 / line.size), "%)");
  }
  Row row{"*formatter.diskUsageContext"};
  row.set("Type", std::string{line.type})
      .set("TotalCount", cat(line.total))
      .set("Active", cat(line.active))
      .set("Size", human_size(line.size))
      .set("Reclaimable", reclaimable);
  return row;
}

ListFormat summary_format() {
  return {.type_name = "*formatter.diskUsageContext",
          .headings = {{"Type", "TYPE"},
                       {"TotalCount", "TOTAL"},
                       {"Active", "ACTIVE"},
                       {"Size", "SIZE"},
                       {"Reclaimable", "RECLAIMABLE"}},
          .default_table = "table {{.Type}}\\t{{.TotalCount}}\\t{{.Active}}\\t{{.Size}}\\t{{.Reclaimable}}"};
}

std::string verbose_text(const Json& usage) {
  std::vector<Row> images, containers, volumes;
  for (const Json& image : array_at(usage, "Images")) {
    for (Row& row : image_rows(image, false, false)) images.push_back(std::move(row));
  }
  for (const Json& container : array_at(usage, "Containers")) {
    containers.push_back(container_row(container, false));
    containers.back().set("Size", human_size(double_at(container, "SizeRw"), 3));
  }
  for (const Json& volume : array_at(usage, "Volumes")) volumes.push_back(volume_row(volume));
  const auto render = [](const ListFormat& list, const std::string& format, const std::vector<Row>& rows) {
    return render_rows(list, format, rows);
  };
  return cat("Images space usage:\n\n",
             render(image_list_format(),
                    "table {{.Repository}}\\t{{.Tag}}\\t{{.ID}}\\t{{.CreatedSince}}\\t{{.Size}}\\t{{.SharedSize}}\\t"
                    "{{.UniqueSize}}\\t{{.Containers}}",
                    images),
             "\nContainers space usage:\n\n",
             render(container_list_format(),
                    "table {{.ID}}\\t{{.Image}}\\t{{.Command}}\\t{{.LocalVolumes}}\\t{{.Size}}\\t{{.RunningFor}}\\t"
                    "{{.Status}}\\t{{.Names}}",
                    containers),
             "\nLocal Volumes space usage:\n\n",
             render(volume_list_format(), "table {{.Name}}\\t{{.Links}}\\t{{.Size}}", volumes),
             "\nBuild cache usage: ", human_size(cache_line(usage).size), "\n\n",
             "CACHE ID   CACHE TYPE   SIZE      CREATED   LAST USED   USAGE     SHARED\n");
}

struct UsageOptions {
  bool verbose = false;
  std::string format;
};

int disk_usage(Cli& cli, const UsageOptions& options) {
  if (options.verbose && !options.format.empty() && options.format != "table") {
    throw invalid("the verbose and the format options conflict");
  }
  const Json usage = cli.api().get("/system/df");
  if (options.verbose) {
    Cli::out(verbose_text(usage));
    return 0;
  }
  const std::vector<Row> rows = {row_of(images_line(usage)), row_of(containers_line(usage)),
                                 row_of(volumes_line(usage)), row_of(cache_line(usage))};
  Cli::out(render_rows(summary_format(), options.format, rows));
  return 0;
}

Action prepare_usage(FlagSet& flags) {
  auto options = std::make_shared<UsageOptions>();
  flags.text(options->format, "format", 0, kFormatHelp);
  flags.boolean(options->verbose, "verbose", 'v', "Show every object");
  return [options](Cli& cli, const Arguments&) { return disk_usage(cli, *options); };
}

constexpr Command kCommands[] = {
    {"system df", "[OPTIONS]", "Show what takes the disk space", 0, 0, AfterPositional::keep_parsing, prepare_usage},
};

}  // namespace

std::span<const Command> disk_usage_commands() { return kCommands; }

}  // namespace berth::cli
