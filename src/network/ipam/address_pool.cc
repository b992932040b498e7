#include "network/ipam/address_pool.h"

#include <algorithm>

namespace berth::network {

namespace {

// A /31 and a /32 have neither network nor broadcast address (RFC 3021).
bool has_edges(const Cidr& subnet) { return subnet.prefix < 31; }

}  // namespace

AddressPool::AddressPool(Cidr subnet, Cidr range)
    : subnet_(subnet.network()),
      first_(std::max(range.first().value, subnet.first().value + (has_edges(subnet) ? 1 : 0))),
      last_(std::min(range.last().value, subnet.last().value - (has_edges(subnet) ? 1 : 0))),
      cursor_(first_) {}

std::optional<Ipv4> AddressPool::take_next() {
  if (last_ < first_) return std::nullopt;
  const std::lock_guard lock{mutex_};
  const std::uint64_t count = std::uint64_t{last_} - first_ + 1;
  for (std::uint64_t tried = 0; tried < count;) {
    const auto word = used_.find(cursor_ / 64);
    if (word != used_.end() && word->second == ~std::uint64_t{0}) {  // a full word is passed in one step
      const std::uint64_t skip = 64 - cursor_ % 64;
      tried += skip;
      cursor_ = last_ - cursor_ < skip ? first_ : static_cast<std::uint32_t>(cursor_ + skip);
      continue;
    }
    const std::uint32_t candidate = cursor_;
    cursor_ = candidate == last_ ? first_ : candidate + 1;
    ++tried;
    if (is_used(candidate)) continue;
    mark(candidate);
    return Ipv4{candidate};
  }
  return std::nullopt;
}

bool AddressPool::take(Ipv4 address) {
  const std::lock_guard lock{mutex_};
  if (is_used(address.value)) return false;
  mark(address.value);
  return true;
}

void AddressPool::give_back(Ipv4 address) {
  const std::lock_guard lock{mutex_};
  const auto word = used_.find(address.value / 64);
  if (word == used_.end()) return;
  word->second &= ~(std::uint64_t{1} << address.value % 64);
  if (word->second == 0) used_.erase(word);
}

bool AddressPool::is_used(std::uint32_t address) const {
  const auto word = used_.find(address / 64);
  return word != used_.end() && (word->second >> address % 64 & 1) != 0;
}

void AddressPool::mark(std::uint32_t address) { used_[address / 64] |= std::uint64_t{1} << address % 64; }

}  // namespace berth::network
