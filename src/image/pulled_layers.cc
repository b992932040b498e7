#include <algorithm>

#include "base/core/error.h"
#include "image/store.h"

namespace berth::image {

bool PulledLayers::claim(const std::string& name, const std::function<bool()>& given_up) {
  std::unique_lock lock{mutex_};
  if (claimed_.insert(name).second) return true;
  while (claimed_.contains(name)) {
    released_.wait_for(lock, std::chrono::milliseconds{200});
    if (given_up()) throw Error{ErrorKind::cancelled, "context canceled"};
  }
  return false;
}

void PulledLayers::release(const std::string& name) {
  const std::lock_guard lock{mutex_};
  claimed_.erase(name);
  released_.notify_all();
}

void PulledLayers::add(const LayerRecord& layer) {
  const std::lock_guard lock{mutex_};
  made_[layer.chain_id] = layer;
}

std::optional<LayerRecord> PulledLayers::find(const std::string& chain_id) const {
  const std::lock_guard lock{mutex_};
  const auto at = made_.find(chain_id);
  if (at == made_.end()) return std::nullopt;
  return at->second;
}

std::optional<LayerRecord> PulledLayers::find_by_diff(const std::string& diff_id) const {
  const std::lock_guard lock{mutex_};
  for (const auto& [chain, layer] : made_) {
    if (layer.diff_id == diff_id) return layer;
  }
  return std::nullopt;
}

void PulledLayers::forget(const std::vector<std::string>& chain_ids) {
  const std::lock_guard lock{mutex_};
  for (const std::string& chain : chain_ids) made_.erase(chain);
}

void PulledLayers::retain(std::unique_ptr<Pins::Set> pins, std::vector<std::string> chain_ids) {
  const std::lock_guard lock{mutex_};
  const auto until = std::chrono::steady_clock::now() + ImageStore::kKeepUnfinished;
  retained_.push_back({until, std::move(pins), std::move(chain_ids)});
}

void PulledLayers::forget_retained(const std::vector<std::string>& chain_ids) {
  std::vector<Retained> over;  // pins are given back without the lock
  const std::lock_guard lock{mutex_};
  const auto is_stored = [&](const std::string& chain) {
    return std::ranges::find(chain_ids, chain) != chain_ids.end();
  };
  std::vector<Retained> kept;
  for (Retained& one : retained_)
    (std::ranges::all_of(one.chain_ids, is_stored) ? over : kept).push_back(std::move(one));
  retained_ = std::move(kept);
  for (const std::string& chain : chain_ids) made_.erase(chain);
}

std::optional<std::uint64_t> PulledLayers::drop_retained(std::chrono::steady_clock::time_point time) {
  std::vector<Retained> over;  // pins are given back without the lock
  const std::lock_guard lock{mutex_};
  std::vector<Retained> kept;
  for (Retained& one : retained_) (one.until <= time ? over : kept).push_back(std::move(one));
  retained_ = std::move(kept);
  if (over.empty()) return std::nullopt;
  std::uint64_t bytes = 0;
  for (const Retained& one : over) {
    for (const std::string& chain : one.chain_ids) {
      const bool wanted = std::ranges::any_of(retained_, [&](const Retained& other) {
        return std::ranges::find(other.chain_ids, chain) != other.chain_ids.end();
      });
      const auto layer = made_.find(chain);
      if (wanted || layer == made_.end()) continue;
      bytes += layer->second.disk_size();
      made_.erase(layer);
    }
  }
  return bytes;
}

}  // namespace berth::image
