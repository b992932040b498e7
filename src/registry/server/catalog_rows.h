#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/time.h"
#include "base/db/database.h"

/// What the parts of the catalog share.
namespace berth::registry::server {

inline constexpr std::string_view kLinkRow = "SELECT 1 FROM links WHERE repository = ? AND digest = ?";
inline constexpr std::string_view kManifestRow = "SELECT 1 FROM manifests WHERE repository = ? AND digest = ?";
inline constexpr std::string_view kBlobRow = "SELECT 1 FROM blobs WHERE digest = ?";

inline bool has_row(db::Connection& db, std::string_view sql, const std::string& a) {
  db::Statement row = db.prepare(sql);
  return row.bind(1, a).step();
}

inline bool has_row(db::Connection& db, std::string_view sql, const std::string& a, const std::string& b) {
  db::Statement row = db.prepare(sql);
  return row.bind(1, a).bind(2, b).step();
}

/// With its references and its tags.
inline void erase_manifest(db::Connection& db, const std::string& repository, const std::string& digest) {
  for (const std::string_view sql : {"DELETE FROM manifests WHERE repository = ? AND digest = ?",
                                     "DELETE FROM refs WHERE repository = ? AND manifest = ?",
                                     "DELETE FROM tags WHERE repository = ? AND digest = ?"}) {
    db.prepare(sql).bind(1, repository).bind(2, digest).run();
  }
}

inline std::int64_t seconds_now() { return std::chrono::floor<std::chrono::seconds>(now()).time_since_epoch().count(); }

}  // namespace berth::registry::server
