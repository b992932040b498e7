#include "cli/text/image_row.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/core/time.h"
#include "cli/text/container_row.h"
#include "cli/text/table.h"
#include "cli/text/units.h"

namespace berth::cli {

namespace {

constexpr std::string_view kNone = "<none>";

struct Name {
  std::string repository, tag{kNone}, digest{kNone};
};

/// "repo:tag" at its last colon that is not a port's.
Name parse_tagged(const std::string& reference) {
  const std::size_t colon = reference.rfind(':');
  if (colon == std::string::npos || reference.find('/', colon) != std::string::npos) return {.repository = reference};
  return {.repository = reference.substr(0, colon), .tag = reference.substr(colon + 1)};
}

std::vector<std::string> real_names(const Json& image, std::string_view member, std::string_view nothing) {
  std::vector<std::string> names = texts_at(image, member);
  std::erase(names, std::string{nothing});
  return names;
}

/// Tags of the daemon, each with the digests of its repository; digests without a tag come as lines of their own.
std::vector<Name> names_of(const Json& image, bool digests) {
  std::vector<std::string> tags = real_names(image, "RepoTags", "<none>:<none>");
  std::vector<std::string> references = real_names(image, "RepoDigests", "<none>@<none>");
  std::vector<Name> names;
  std::vector<std::string> tagged;
  for (const std::string& reference : tags) {
    const Name name = parse_tagged(reference);
    tagged.push_back(name.repository);
    bool with_digest = false;
    for (const std::string& digest : references) {
      const std::size_t sign = digest.find('@');
      if (!digests || digest.substr(0, sign) != name.repository) continue;
      names.push_back({name.repository, name.tag, digest.substr(sign + 1)});
      with_digest = true;
    }
    if (!with_digest) names.push_back(name);
  }
  for (const std::string& digest : references) {
    const std::size_t sign = digest.find('@');
    const std::string repository = digest.substr(0, sign);
    if (std::ranges::find(tagged, repository) != tagged.end()) continue;
    names.push_back({repository, std::string{kNone}, digest.substr(sign + 1)});
    if (!digests) tagged.push_back(repository);
  }
  if (names.empty()) names.push_back({.repository = std::string{kNone}});
  return names;
}

}  // namespace

ListFormat image_list_format() {
  return {.type_name = "*formatter.imageContext",
          .headings = {{"ID", "IMAGE ID"},
                       {"Repository", "REPOSITORY"},
                       {"Tag", "TAG"},
                       {"Digest", "DIGEST"},
                       {"CreatedSince", "CREATED"},
                       {"CreatedAt", "CREATED AT"},
                       {"Size", "SIZE"},
                       {"Containers", "CONTAINERS"},
                       {"VirtualSize", "SIZE"},
                       {"SharedSize", "SHARED SIZE"},
                       {"UniqueSize", "UNIQUE SIZE"}},
          .default_table = std::string{kImageTable}};
}

std::vector<Row> image_rows(const Json& image, bool no_trunc, bool digests) {
  const std::string id = text_at(image, "Id");
  const std::int64_t created = number_at(image, "Created");
  const std::int64_t size = number_at(image, "Size");
  const std::int64_t shared = number_at(image, "SharedSize", -1);
  const std::int64_t containers = number_at(image, "Containers", -1);
  std::vector<Row> rows;
  for (const Name& name : names_of(image, digests)) {
    Row row{"*formatter.imageContext"};
    row.set("ID", no_trunc ? id : short_id(id))
        .set("Repository", name.repository)
        .set("Tag", name.tag)
        .set("Digest", name.digest)
        .set("CreatedSince", created > 0 ? time_ago(created) : "N/A")
        .set("CreatedAt", go_time(Time{std::chrono::seconds{created}}, true))
        .set("Size", human_size(static_cast<double>(size), 3))
        .set("Containers", containers < 0 ? "N/A" : cat(containers))
        .set("VirtualSize", human_size(static_cast<double>(size), 4))
        .set("SharedSize", shared < 0 ? "N/A" : human_size(static_cast<double>(shared), 4))
        .set("UniqueSize", shared < 0 ? "N/A" : human_size(static_cast<double>(size - shared), 4));
    rows.push_back(std::move(row));
  }
  return rows;
}

Row history_row(const Json& layer, bool no_trunc, bool human) {
  const std::string id = text_at(layer, "Id");
  const std::int64_t created = number_at(layer, "Created");
  std::string made_by = text_at(layer, "CreatedBy");
  std::ranges::replace(made_by, '\t', ' ');
  const std::int64_t size = number_at(layer, "Size");
  const Time moment{std::chrono::seconds{created}};
  Row row{"*image.historyContext"};
  row.set("ID", no_trunc || id == "<missing>" ? id : short_id(id))
      .set("CreatedSince", !human         ? local_rfc3339(moment)
                           : created <= 0 ? "N/A"
                                          : time_ago(created))
      .set("CreatedAt", local_rfc3339(moment))
      .set("CreatedBy", no_trunc ? made_by : ellipsis(made_by, 45))
      .set("Size", human ? human_size(static_cast<double>(size), 3) : cat(size))
      .set("Comment", text_at(layer, "Comment"));
  return row;
}

}  // namespace berth::cli
