#pragma once

#include <netinet/in.h>  // before the kernel's headers, which then leave its types alone

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <string>
#include <string_view>
#include <vector>

#include "network/netlink/batch.h"

/// nf_tables as netlink messages: just the expressions that the firewall's fixed rules need.
/// Spec: linux/netfilter/nf_tables.h; nft(8) for what the rules mean.
namespace berth::network::nft {

/// Several messages that the kernel carries out together or not at all; packets see the rules before or after, never
/// in between.
class Transaction {
 public:
  explicit Transaction(std::string table);
  netlink::Batch& finish();  ///< closes the transaction; send what it returns

  void add_table();  ///< no error when it is there
  void delete_table();
  void add_chain(std::string_view name);  ///< one that others jump to
  void add_base_chain(std::string_view name, std::string_view type, int hook, int priority);

  struct SetSpec {
    std::string_view name;
    std::uint32_t key_type = 0, key_size = 0;    ///< types are nft's own numbers, for `nft list`
    std::uint32_t data_type = 0, data_size = 0;  ///< 0: a set, not a map
    std::uint32_t flags = 0;                     ///< NFT_SET_INTERVAL
  };
  void add_set(const SetSpec& spec);

  struct Element {
    std::string key, data{};
    bool interval_end = false;
  };
  void add_elements(std::string_view set, const std::vector<Element>& elements);
  void delete_elements(std::string_view set, const std::vector<Element>& elements);
  void flush_set(std::string_view set);

  /// A rule at the chain's end; `body` adds its expressions by the functions below.
  template <class Body>
  void add_rule(std::string_view chain, Body body) {
    message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    batch_.text(NFTA_RULE_TABLE, table_);
    batch_.text(NFTA_RULE_CHAIN, chain);
    batch_.nested(NFTA_RULE_EXPRESSIONS, body);
  }
  void load_meta(std::uint32_t key, std::uint32_t reg);
  void load_network_header(std::uint32_t offset, std::uint32_t size, std::uint32_t reg);
  void load_transport_header(std::uint32_t offset, std::uint32_t size, std::uint32_t reg);
  void load_destination_type(std::uint32_t reg);  ///< RTN_*: is it an address of this host?
  void load_connection(std::uint32_t key, std::uint32_t reg);
  void mask(std::uint32_t reg, std::string_view mask);
  void require_equal(std::uint32_t reg, std::string_view value);
  void require_not_equal(std::uint32_t reg, std::string_view value);
  void require_in_set(std::string_view set, std::uint32_t reg);
  void require_not_in_set(std::string_view set, std::uint32_t reg);
  void translate(std::string_view map, std::uint32_t reg, std::uint32_t result);
  void verdict(int code, std::string_view chain = {});
  void dnat(std::uint32_t address_reg, std::uint32_t port_reg);
  void masquerade();

 private:
  void message(int type, std::uint16_t flags);
  template <class Body>
  void expression(std::string_view name, Body body);
  void payload(std::uint32_t base, std::uint32_t offset, std::uint32_t size, std::uint32_t reg);
  void compare(std::uint32_t operation, std::uint32_t reg, std::string_view value);
  void lookup(std::string_view set, std::uint32_t reg, std::uint32_t flags);
  void elements(int type, std::uint16_t flags, std::string_view set, const std::vector<Element>& elements);

  netlink::Batch batch_;
  std::string table_;
  std::uint32_t set_id_ = 0;
};

}  // namespace berth::network::nft
