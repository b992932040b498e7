#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "network/ipam/ipv4.h"

namespace berth::network {

/// The addresses of one subnet. Handed out one after the other, starting after the last one given, so that an address
/// just freed rests (neighbours' ARP caches and late packets still point at its old owner). Safe from several threads.
class AddressPool {
 public:
  /// `range` is the part of `subnet` that addresses are chosen from; network and broadcast addresses never are.
  AddressPool(Cidr subnet, Cidr range);

  std::optional<Ipv4> take_next();  ///< nullopt when all are in use
  bool take(Ipv4 address);          ///< false when it is in use
  void give_back(Ipv4 address);
  const Cidr& subnet() const { return subnet_; }

 private:
  bool is_used(std::uint32_t address) const;
  void mark(std::uint32_t address);

  const Cidr subnet_;
  const std::uint32_t first_, last_;
  mutable std::mutex mutex_;
  std::uint32_t cursor_;
  std::unordered_map<std::uint32_t, std::uint64_t> used_;  ///< address / 64 to bits; absent: none in use
};

/// One address of a pool, given back at its owner's end.
class AddressLease {
 public:
  AddressLease() = default;
  AddressLease(std::shared_ptr<AddressPool> pool, Ipv4 address) : pool_(std::move(pool)), address_(address) {}
  AddressLease(AddressLease&&) = default;
  AddressLease& operator=(AddressLease&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(address_, other.address_);
    return *this;
  }
  ~AddressLease() {
    if (pool_) pool_->give_back(address_);
  }
  Ipv4 address() const { return address_; }

 private:
  std::shared_ptr<AddressPool> pool_;
  Ipv4 address_;
};

}  // namespace berth::network
