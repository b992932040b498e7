#include <algorithm>
#include <set>

#include "base/core/error.h"
#include "base/core/text.h"
#include "registry/server/catalog.h"
#include "registry/server/catalog_rows.h"
#include "registry/server/errors.h"
#include "registry/server/manifest.h"

/// What fsck asks of the tables. A statement sees one moment, so that a registry that serves meanwhile looks whole.
namespace berth::registry::server {

namespace {

struct Question {
  std::string_view fault, sql;
};

constexpr Question kQuestions[] = {
    {"tag of no manifest",
     "SELECT repository, name, digest FROM tags WHERE NOT EXISTS(SELECT 1 FROM manifests"
     " WHERE manifests.repository = tags.repository AND manifests.digest = tags.digest)"},
    {"link to no blob",
     "SELECT repository, '', digest FROM links WHERE NOT EXISTS(SELECT 1 FROM blobs WHERE blobs.digest = "
     "links.digest)"},
    {"manifest without a blob",
     "SELECT repository, '', digest FROM manifests"
     " WHERE NOT EXISTS(SELECT 1 FROM blobs WHERE blobs.digest = manifests.digest)"},
    {"reference of no manifest",
     "SELECT repository, manifest, digest FROM refs WHERE NOT EXISTS(SELECT 1 FROM manifests"
     " WHERE manifests.repository = refs.repository AND manifests.digest = refs.manifest)"},
};

constexpr std::string_view kLacks =
    "SELECT repository, manifest, digest FROM refs WHERE NOT EXISTS(SELECT 1 FROM links"
    " WHERE links.repository = refs.repository AND links.digest = refs.digest)"
    " AND NOT EXISTS(SELECT 1 FROM manifests"
    " WHERE manifests.repository = refs.repository AND manifests.digest = refs.digest)";

std::string told(db::Statement& row) {
  const std::string name = row.text(1);
  return cat(row.text(0), name.empty() ? "" : " ", name, " ", row.text(2));
}

std::set<std::string> named_in(const BlobFiles& files, const std::string& digest, const std::string& type) {
  const NewManifest manifest = read_manifest(files.read(digest), type, archive::algorithm_of(digest));
  std::set<std::string> names{manifest.blobs.begin(), manifest.blobs.end()};
  names.insert(manifest.manifests.begin(), manifest.manifests.end());
  return names;
}

/// What the collector goes by, against what the manifest's text says.
bool has_its_references(db::Connection& db, const BlobFiles& files, const std::string& repository,
                        const std::string& digest, const std::string& type) {
  std::set<std::string> known;
  {
    db::Statement rows = db.prepare("SELECT digest FROM refs WHERE repository = ? AND manifest = ?");
    rows.bind(1, repository).bind(2, digest);
    while (rows.step()) known.insert(rows.text(0));
  }
  try {
    return known == named_in(files, digest, type);
  } catch (const Error&) {  // missing or damaged, which is told as such
    return true;
  } catch (const Refusal&) {  // of a registry that was less strict
    return true;
  }
}

}  // namespace

Catalog::Contradictions Catalog::contradictions() const {
  Contradictions found;
  for (const auto& [fault, sql] : kQuestions) {
    db::Statement rows = reader_->prepare(sql);
    while (rows.step()) found.faults.push_back(cat(fault, ": ", told(rows)));
  }
  {
    db::Statement rows = reader_->prepare(kLacks);
    while (rows.step()) found.lacks.push_back(told(rows));
  }
  struct Row {
    std::string repository, digest, type;
  };
  std::vector<Row> manifests;
  {
    db::Statement rows = reader_->prepare("SELECT repository, digest, type FROM manifests");
    while (rows.step()) {
      manifests.push_back({.repository = rows.text(0), .digest = rows.text(1), .type = rows.text(2)});
    }
  }
  std::erase_if(manifests, [&](const Row& row) {
    return has_its_references(*reader_, files_, row.repository, row.digest, row.type);
  });
  if (manifests.empty()) return found;
  database_->write_blocking([&](db::Connection& db) {  // some may have gone, or come again, meanwhile
    for (const Row& row : manifests) {
      if (!has_row(db, kManifestRow, row.repository, row.digest)) continue;
      if (has_its_references(db, files_, row.repository, row.digest, row.type)) continue;
      found.faults.push_back(cat("references differ: ", row.repository, " ", row.digest));
    }
  });
  return found;
}

}  // namespace berth::registry::server
