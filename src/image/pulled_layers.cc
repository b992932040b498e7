#include "base/core/error.h"
#include "image/store.h"

namespace berth::image {

namespace {
constexpr std::chrono::minutes kRetention{15};
}

bool PulledLayers::claim(const std::string& diff_id, const std::function<bool()>& given_up) {
  std::unique_lock lock{mutex_};
  if (claimed_.insert(diff_id).second) return true;
  while (claimed_.contains(diff_id)) {
    released_.wait_for(lock, std::chrono::milliseconds{200});
    if (given_up()) throw Error{ErrorKind::cancelled, "context canceled"};
  }
  return false;
}

void PulledLayers::release(const std::string& diff_id) {
  const std::lock_guard lock{mutex_};
  claimed_.erase(diff_id);
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
  retained_.push_back({std::chrono::steady_clock::now() + kRetention, std::move(pins), std::move(chain_ids)});
}

bool PulledLayers::drop_retained() {
  std::vector<Retained> over;  // pins are given back without the lock
  const std::lock_guard lock{mutex_};
  const auto now = std::chrono::steady_clock::now();
  std::vector<Retained> kept;
  for (Retained& one : retained_) (one.until < now ? over : kept).push_back(std::move(one));
  retained_ = std::move(kept);
  for (const Retained& one : over) {
    for (const std::string& chain : one.chain_ids) {
      bool wanted = false;
      for (const Retained& other : retained_) {
        wanted = wanted || std::find(other.chain_ids.begin(), other.chain_ids.end(), chain) != other.chain_ids.end();
      }
      if (!wanted) made_.erase(chain);
    }
  }
  return !over.empty();
}

}  // namespace berth::image
