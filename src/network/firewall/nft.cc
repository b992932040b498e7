#include "network/firewall/nft.h"

#include <linux/netfilter/nfnetlink.h>

#include <algorithm>

namespace berth::network::nft {

namespace {

// A nest's length has 16 bits: with some 50 bytes each, this many elements stay well below.
constexpr std::size_t kElementsPerMessage = 500;

nfgenmsg header(std::uint8_t family, std::uint16_t resource) {
  return {.nfgen_family = family, .version = NFNETLINK_V0, .res_id = netlink::big_endian(resource)};
}

}  // namespace

Transaction::Transaction(std::string table) : table_(std::move(table)) {
  batch_.message(NFNL_MSG_BATCH_BEGIN, 0, header(AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
}

netlink::Batch& Transaction::finish() {
  batch_.message(NFNL_MSG_BATCH_END, 0, header(AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
  return batch_;
}

void Transaction::message(int type, std::uint16_t flags) {
  batch_.message(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), flags | NLM_F_ACK,
                 header(NFPROTO_IPV4, 0));
}

void Transaction::add_table() {
  message(NFT_MSG_NEWTABLE, NLM_F_CREATE);
  batch_.text(NFTA_TABLE_NAME, table_);
}

void Transaction::delete_table() {
  message(NFT_MSG_DELTABLE, 0);
  batch_.text(NFTA_TABLE_NAME, table_);
}

void Transaction::add_chain(std::string_view name) {
  message(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
  batch_.text(NFTA_CHAIN_TABLE, table_);
  batch_.text(NFTA_CHAIN_NAME, name);
}

void Transaction::add_base_chain(std::string_view name, std::string_view type, int hook, int priority) {
  add_chain(name);
  batch_.nested(NFTA_CHAIN_HOOK, [&] {
    batch_.network_number(NFTA_HOOK_HOOKNUM, static_cast<std::uint32_t>(hook));
    batch_.network_number(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(priority));
  });
  batch_.text(NFTA_CHAIN_TYPE, type);
  batch_.network_number(NFTA_CHAIN_POLICY, std::uint32_t{NF_ACCEPT});
}

void Transaction::add_set(const SetSpec& spec) {
  const bool is_map = spec.data_size != 0;
  message(NFT_MSG_NEWSET, NLM_F_CREATE);
  batch_.text(NFTA_SET_TABLE, table_);
  batch_.text(NFTA_SET_NAME, spec.name);
  batch_.network_number(NFTA_SET_FLAGS, spec.flags | (is_map ? std::uint32_t{NFT_SET_MAP} : 0));
  batch_.network_number(NFTA_SET_KEY_TYPE, spec.key_type);
  batch_.network_number(NFTA_SET_KEY_LEN, spec.key_size);
  if (is_map) {
    batch_.network_number(NFTA_SET_DATA_TYPE, spec.data_type);
    batch_.network_number(NFTA_SET_DATA_LEN, spec.data_size);
  }
  batch_.network_number(NFTA_SET_ID, ++set_id_);
}

void Transaction::elements(int type, std::uint16_t flags, std::string_view set, const std::vector<Element>& elements) {
  for (std::size_t at = 0; at < elements.size(); at += kElementsPerMessage) {
    message(type, flags);
    batch_.text(NFTA_SET_ELEM_LIST_TABLE, table_);
    batch_.text(NFTA_SET_ELEM_LIST_SET, set);
    batch_.nested(NFTA_SET_ELEM_LIST_ELEMENTS, [&] {
      const std::size_t end = std::min(elements.size(), at + kElementsPerMessage);
      for (std::size_t i = at; i < end; ++i) {
        batch_.nested(NFTA_LIST_ELEM, [&] {
          const Element& element = elements[i];
          batch_.nested(NFTA_SET_ELEM_KEY, [&] { batch_.attribute(NFTA_DATA_VALUE, element.key); });
          if (!element.data.empty() && type == NFT_MSG_NEWSETELEM) {
            batch_.nested(NFTA_SET_ELEM_DATA, [&] { batch_.attribute(NFTA_DATA_VALUE, element.data); });
          }
          if (element.interval_end) {
            batch_.network_number(NFTA_SET_ELEM_FLAGS, std::uint32_t{NFT_SET_ELEM_INTERVAL_END});
          }
        });
      }
    });
  }
}

void Transaction::add_elements(std::string_view set, const std::vector<Element>& added) {
  elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE, set, added);
}

void Transaction::delete_elements(std::string_view set, const std::vector<Element>& removed) {
  elements(NFT_MSG_DELSETELEM, 0, set, removed);
}

void Transaction::flush_set(std::string_view set) {
  message(NFT_MSG_DELSETELEM, 0);
  batch_.text(NFTA_SET_ELEM_LIST_TABLE, table_);
  batch_.text(NFTA_SET_ELEM_LIST_SET, set);
}

template <class Body>
void Transaction::expression(std::string_view name, Body body) {
  batch_.nested(NFTA_LIST_ELEM, [&] {
    batch_.text(NFTA_EXPR_NAME, name);
    batch_.nested(NFTA_EXPR_DATA, body);
  });
}

void Transaction::load_meta(std::uint32_t key, std::uint32_t reg) {
  expression("meta", [&] {
    batch_.network_number(NFTA_META_KEY, key);
    batch_.network_number(NFTA_META_DREG, reg);
  });
}

void Transaction::payload(std::uint32_t base, std::uint32_t offset, std::uint32_t size, std::uint32_t reg) {
  expression("payload", [&] {
    batch_.network_number(NFTA_PAYLOAD_DREG, reg);
    batch_.network_number(NFTA_PAYLOAD_BASE, base);
    batch_.network_number(NFTA_PAYLOAD_OFFSET, offset);
    batch_.network_number(NFTA_PAYLOAD_LEN, size);
  });
}

void Transaction::load_network_header(std::uint32_t offset, std::uint32_t size, std::uint32_t reg) {
  payload(NFT_PAYLOAD_NETWORK_HEADER, offset, size, reg);
}

void Transaction::load_transport_header(std::uint32_t offset, std::uint32_t size, std::uint32_t reg) {
  payload(NFT_PAYLOAD_TRANSPORT_HEADER, offset, size, reg);
}

void Transaction::load_destination_type(std::uint32_t reg) {
  expression("fib", [&] {
    batch_.network_number(NFTA_FIB_DREG, reg);
    batch_.network_number(NFTA_FIB_RESULT, std::uint32_t{NFT_FIB_RESULT_ADDRTYPE});
    batch_.network_number(NFTA_FIB_FLAGS, std::uint32_t{NFTA_FIB_F_DADDR});
  });
}

void Transaction::load_connection(std::uint32_t key, std::uint32_t reg) {
  expression("ct", [&] {
    batch_.network_number(NFTA_CT_KEY, key);
    batch_.network_number(NFTA_CT_DREG, reg);
  });
}

void Transaction::mask(std::uint32_t reg, std::string_view mask) {
  expression("bitwise", [&] {
    batch_.network_number(NFTA_BITWISE_SREG, reg);
    batch_.network_number(NFTA_BITWISE_DREG, reg);
    batch_.network_number(NFTA_BITWISE_LEN, static_cast<std::uint32_t>(mask.size()));
    batch_.nested(NFTA_BITWISE_MASK, [&] { batch_.attribute(NFTA_DATA_VALUE, mask); });
    batch_.nested(NFTA_BITWISE_XOR, [&] { batch_.attribute(NFTA_DATA_VALUE, std::string(mask.size(), '\0')); });
  });
}

void Transaction::compare(std::uint32_t operation, std::uint32_t reg, std::string_view value) {
  expression("cmp", [&] {
    batch_.network_number(NFTA_CMP_SREG, reg);
    batch_.network_number(NFTA_CMP_OP, operation);
    batch_.nested(NFTA_CMP_DATA, [&] { batch_.attribute(NFTA_DATA_VALUE, value); });
  });
}

void Transaction::require_equal(std::uint32_t reg, std::string_view value) { compare(NFT_CMP_EQ, reg, value); }
void Transaction::require_not_equal(std::uint32_t reg, std::string_view value) { compare(NFT_CMP_NEQ, reg, value); }

void Transaction::lookup(std::string_view set, std::uint32_t reg, std::uint32_t flags) {
  expression("lookup", [&] {
    batch_.text(NFTA_LOOKUP_SET, set);
    batch_.network_number(NFTA_LOOKUP_SREG, reg);
    if (flags != 0) batch_.network_number(NFTA_LOOKUP_FLAGS, flags);
  });
}

void Transaction::require_in_set(std::string_view set, std::uint32_t reg) { lookup(set, reg, 0); }
void Transaction::require_not_in_set(std::string_view set, std::uint32_t reg) { lookup(set, reg, NFT_LOOKUP_F_INV); }

void Transaction::translate(std::string_view map, std::uint32_t reg, std::uint32_t result) {
  expression("lookup", [&] {
    batch_.text(NFTA_LOOKUP_SET, map);
    batch_.network_number(NFTA_LOOKUP_SREG, reg);
    batch_.network_number(NFTA_LOOKUP_DREG, result);
  });
}

void Transaction::verdict(int code, std::string_view chain) {
  expression("immediate", [&] {
    batch_.network_number(NFTA_IMMEDIATE_DREG, std::uint32_t{NFT_REG_VERDICT});
    batch_.nested(NFTA_IMMEDIATE_DATA, [&] {
      batch_.nested(NFTA_DATA_VERDICT, [&] {
        batch_.network_number(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code));
        if (!chain.empty()) batch_.text(NFTA_VERDICT_CHAIN, chain);
      });
    });
  });
}

void Transaction::dnat(std::uint32_t address_reg, std::uint32_t port_reg) {
  expression("nat", [&] {
    batch_.network_number(NFTA_NAT_TYPE, std::uint32_t{NFT_NAT_DNAT});
    batch_.network_number(NFTA_NAT_FAMILY, std::uint32_t{NFPROTO_IPV4});
    batch_.network_number(NFTA_NAT_REG_ADDR_MIN, address_reg);
    batch_.network_number(NFTA_NAT_REG_PROTO_MIN, port_reg);
  });
}

void Transaction::masquerade() {
  expression("masq", [] {});
}

}  // namespace berth::network::nft
