#include "engine/image_space.h"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>
#include <tuple>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::engine {

namespace {
constexpr std::chrono::minutes kInterval{5};
constexpr std::chrono::seconds kSettle{1};  ///< several images that arrive together are looked at once
}  // namespace

std::vector<ChosenImage> choose_unused(const std::vector<image::StoredImage>& images,
                                       const std::vector<image::ContainerUse>& uses, Time limit) {
  std::set<std::string> needed;
  for (const image::ContainerUse& use : uses) needed.insert(use.image_id);
  for (const image::StoredImage& image : images) needed.insert(image.parent_id);
  std::vector<const image::StoredImage*> old;
  for (const image::StoredImage& image : images) {
    if (image.is_variant) continue;  // it goes with the name of its index
    const auto is_needed = [&](const std::string& id) { return needed.contains(id); };
    if (is_needed(image.id) || std::ranges::any_of(image.variants, is_needed)) continue;
    if (image.last_used < limit) old.push_back(&image);
  }
  std::ranges::sort(old, {}, [](const image::StoredImage* image) { return std::tie(image->last_used, image->id); });
  std::vector<ChosenImage> chosen;
  for (const image::StoredImage* image : old) {
    std::vector<std::string> names = names_of(*image);
    if (names.empty()) names.push_back(image->id);
    chosen.push_back({.id = image->id, .names = std::move(names)});
  }
  return chosen;
}

ImageSpace::ImageSpace(EventLoop& loop, async::BlockingPool& pool, const Logger& log, image::ImageStore& store,
                       const image::FindUses& find_uses, std::string data_root, SpacePolicy policy)
    : loop_(loop),
      pool_(pool),
      log_(log),
      store_(store),
      find_uses_(find_uses),
      data_root_(std::move(data_root)),
      policy_(policy),
      timer_(loop_) {}

Task<void> ImageSpace::run() {
  if (policy_.high_percent == 0) co_return;
  while (!stopped_) {
    timer_.expires_after(soon_ ? std::chrono::steady_clock::duration{kSettle} : kInterval);
    soon_ = false;
    boost::system::error_code woken;
    co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, woken));
    if (stopped_) co_return;
    if (woken) continue;  // something was stored: in a moment
    try {
      co_await pool_.run([this] { free_space(); });
    } catch (const std::exception& error) {
      log_.warn("freeing space of images: ", error.what());
    }
  }
}

void ImageSpace::check_soon() {
  if (policy_.high_percent == 0 || soon_) return;
  soon_ = true;
  timer_.cancel();
}

void ImageSpace::stop() {
  stopped_ = true;
  timer_.cancel();
}

unsigned ImageSpace::used_percent() const {
  const sys::DiskSpace disk = sys::disk_space(data_root_);
  if (disk.total == 0) return 0;
  return 100 - static_cast<unsigned>(static_cast<double>(disk.available) * 100 / static_cast<double>(disk.total));
}

void ImageSpace::free_space() const {
  if (used_percent() < policy_.high_percent) return;
  store_.drop_unfinished(std::chrono::steady_clock::time_point::max());
  if (free_blobs()) return;
  for (const ChosenImage& image : choose_unused(store_.list(), find_uses_(), now() - policy_.minimum_age)) {
    const unsigned used = used_percent();
    if (used <= policy_.low_percent) return;
    log_.info(used, "% of the disk is used: removing image ", image.names.front(), ", unused for the longest time");
    for (const std::string& name : image.names) {
      try {
        store_.remove_unchanged(name, image.id);
      } catch (const Error& error) {
        // Somebody uses it by now, or has removed it.
        if (error.kind() != ErrorKind::conflict && error.kind() != ErrorKind::not_found) throw;
      }
    }
  }
  if (const unsigned used = used_percent(); used > policy_.low_percent)
    log_.warn(used, "% of the disk is used, and no unused image is left to remove");
}

bool ImageSpace::free_blobs() const {
  std::vector<image::StoredImage> images = store_.list();
  std::ranges::sort(images, {}, [](const image::StoredImage& image) { return std::tie(image.last_used, image.id); });
  std::uint64_t bytes = 0;
  for (const image::StoredImage& image : images) {
    if (used_percent() <= policy_.low_percent) break;
    try {
      bytes += store_.drop_blobs(image.id);
    } catch (const Error& error) {
      log_.warn("dropping compressed layers of image ", image.id, ": ", error.what());
    }
  }
  if (bytes != 0)
    log_.info("the disk is nearly full: ", bytes, " bytes of compressed layers were dropped, their files stay");
  return used_percent() <= policy_.low_percent;
}

}  // namespace berth::engine
