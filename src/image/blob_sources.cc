#include "image/blob_sources.h"

#include "base/core/time.h"

namespace berth::image {

namespace {

constexpr std::string_view kSchema = R"(
CREATE TABLE IF NOT EXISTS image_blobs(
  diff TEXT NOT NULL, repository TEXT NOT NULL, type TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
  seen INTEGER NOT NULL, PRIMARY KEY(diff, repository)) WITHOUT ROWID;
DELETE FROM image_blobs WHERE diff NOT IN (SELECT diff FROM image_layers);
)";

}  // namespace

BlobSources::BlobSources(db::Database& database) : database_(database) {
  database_.write_blocking([](db::Connection& connection) { connection.execute(kSchema); });
}

std::vector<BlobSources::Source> BlobSources::find(const std::string& diff_id) const {
  std::vector<Source> sources;
  database_.read([&](db::Connection& connection) {
    db::Statement rows = connection.prepare(
        "SELECT repository, type, digest, size FROM image_blobs WHERE diff = ? ORDER BY seen DESC LIMIT 32");
    rows.bind(1, diff_id);
    while (rows.step()) {
      if (oci::is_foreign_layer(rows.text(1))) continue;  // rows of older daemons
      sources.push_back({.blob = {.media_type = rows.text(1), .digest = rows.text(2), .size = rows.number(3)},
                         .repository = rows.text(0)});
    }
  });
  return sources;
}

void BlobSources::remember(const std::string& repository, const std::vector<Seen>& layers) {
  const std::int64_t seen = now().time_since_epoch().count();
  database_.write_blocking([&](db::Connection& connection) {
    for (const Seen& layer : layers) {
      if (oci::is_foreign_layer(layer.blob.media_type)) continue;
      connection
          .prepare(
              "INSERT OR REPLACE INTO image_blobs(diff, repository, type, digest, size, seen)"
              " VALUES(?, ?, ?, ?, ?, ?)")
          .bind(1, layer.diff_id)
          .bind(2, repository)
          .bind(3, layer.blob.media_type)
          .bind(4, layer.blob.digest)
          .bind(5, layer.blob.size)
          .bind(6, seen)
          .run();
    }
  });
}

}  // namespace berth::image
