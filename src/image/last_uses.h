#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "base/core/time.h"
#include "base/db/database.h"

namespace berth::image {

/// When images were last used, for whoever frees space by that. Kept in memory and, to ten minutes, in the state
/// database: that a kill makes an image look a little older than it is costs nobody anything. Safe from several
/// threads.
class LastUses {
 public:
  explicit LastUses(db::Database& database);  ///< makes the table, loads it

  /// May write, so not on the loop. Rows of images that do not exist any more go with it.
  void note(const std::string& image_id, Time when, const std::function<bool(const std::string& id)>& exists);
  Time find(const std::string& image_id) const;  ///< kNever when it is not known

 private:
  db::Database& database_;
  mutable std::mutex mutex_;
  std::map<std::string, Time> used_, written_;
};

}  // namespace berth::image
