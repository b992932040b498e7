#pragma once

#include <boost/asio/steady_timer.hpp>
#include <string>
#include <vector>

#include "base/async/async.h"
#include "base/core/log.h"
#include "engine/image_filter.h"
#include "engine/space_policy.h"
#include "image/image_store.h"

namespace berth::engine {

/// What to remove, the one that was not used for the longest time first. Left out are images that
/// `used` (by containers, or children) names, and those that were used after `limit`.
std::vector<ChosenImage> choose_unused(const std::vector<image::StoredImage>& images,
                                       const std::vector<image::ContainerUse>& uses, Time limit);

/// Watches the disk and keeps the policy.
class ImageSpace {
 public:
  ImageSpace(EventLoop& loop, async::BlockingPool& pool, const Logger& log, image::ImageStore& store,
             const image::FindUses& find_uses, std::string data_root, SpacePolicy policy);

  Task<void> run();   ///< until stop(); returns at once when the policy is off
  void check_soon();  ///< something was stored
  void stop();

 private:
  void free_space() const;  ///< on a pool thread
  /// What nobody misses first: compressed forms of layers. True when that was enough.
  bool free_blobs() const;
  unsigned used_percent() const;

  EventLoop& loop_;
  async::BlockingPool& pool_;
  const Logger& log_;
  image::ImageStore& store_;
  const image::FindUses& find_uses_;
  const std::string data_root_;
  const SpacePolicy policy_;
  boost::asio::steady_timer timer_;
  bool soon_ = false, stopped_ = false;
};

}  // namespace berth::engine
