#include "image/last_uses.h"

#include <chrono>
#include <vector>

namespace berth::image {

namespace {
constexpr std::string_view kSchema =
    "CREATE TABLE IF NOT EXISTS image_uses(image TEXT PRIMARY KEY, last_used INTEGER NOT NULL) WITHOUT ROWID;";
constexpr std::chrono::minutes kPrecision{10};
}  // namespace

LastUses::LastUses(db::Database& database) : database_(database) {
  database_.write_blocking([](db::Connection& connection) { connection.execute(kSchema); });
  database_.read([this](db::Connection& connection) {
    db::Statement rows = connection.prepare("SELECT image, last_used FROM image_uses");
    while (rows.step()) written_[rows.text(0)] = Time{std::chrono::nanoseconds{rows.number(1)}};
  });
  used_ = written_;
}

void LastUses::note(const std::string& image_id, Time when, const std::function<bool(const std::string&)>& exists) {
  std::vector<std::string> gone;
  {
    const std::lock_guard lock{mutex_};
    used_[image_id] = when;
    const auto at = written_.find(image_id);
    if (at != written_.end() && when - at->second < kPrecision) return;
    written_[image_id] = when;
    for (const auto& [id, time] : written_) {
      if (id != image_id && !exists(id)) gone.push_back(id);
    }
    for (const std::string& id : gone) {
      written_.erase(id);
      used_.erase(id);
    }
  }
  database_.write_blocking([&](db::Connection& connection) {
    connection.prepare("INSERT OR REPLACE INTO image_uses(image, last_used) VALUES(?, ?)")
        .bind(1, image_id)
        .bind(2, std::int64_t{when.time_since_epoch().count()})
        .run();
    for (const std::string& id : gone) {
      connection.prepare("DELETE FROM image_uses WHERE image = ?").bind(1, id).run();
    }
  });
}

Time LastUses::find(const std::string& image_id) const {
  const std::lock_guard lock{mutex_};
  const auto at = used_.find(image_id);
  return at == used_.end() ? kNever : at->second;
}

}  // namespace berth::image
