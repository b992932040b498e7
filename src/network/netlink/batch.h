#pragma once

#include <linux/netlink.h>

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

/// Our own netlink encoder: several messages in one buffer, sent with one system call.
/// Spec: linux/netlink.h; kernel Documentation/userspace-api/netlink/intro.rst.
namespace berth::network::netlink {

template <std::integral T>
T big_endian(T number) {
  if constexpr (sizeof(T) == 1) return number;
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(number)));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(number)));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(number)));
}
static_assert(std::endian::native == std::endian::little, "big_endian() swaps");

/// The bytes of a plain value.
template <class T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// Messages are begun with message(); attributes go to the last one begun. Everything is padded to 4 bytes.
class Batch {
 public:
  /// `flags` besides NLM_F_REQUEST. With NLM_F_ACK (the usual case) the kernel answers this message.
  template <class Header>
  void message(std::uint16_t type, std::uint16_t flags, const Header& header) {
    finish_message();
    start_ = buffer_.size();
    const nlmsghdr head{.nlmsg_len = 0,
                        .nlmsg_type = type,
                        .nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST),
                        .nlmsg_seq = 0,
                        .nlmsg_pid = 0};
    buffer_.append(bytes_of(head));
    buffer_.append(bytes_of(header));
    pad();
    finish_message();
  }

  void attribute(std::uint16_t type, std::string_view payload) {
    append_attribute(type, payload.size());
    buffer_.append(payload);
    pad();
    finish_message();
  }
  void text(std::uint16_t type, std::string_view text) {  ///< with the NUL that the kernel wants
    append_attribute(type, text.size() + 1);
    buffer_.append(text);
    buffer_.push_back('\0');
    pad();
    finish_message();
  }
  template <std::integral T>
  void number(std::uint16_t type, T value) {
    attribute(type, bytes_of(value));
  }
  /// In network byte order, as netfilter wants all its numbers.
  template <std::integral T>
  void network_number(std::uint16_t type, T value) {
    number(type, big_endian(value));
  }

  /// `body` adds the inner attributes.
  template <class Body>
  void nested(std::uint16_t type, Body body) {
    const std::size_t at = buffer_.size();
    append_attribute(type | NLA_F_NESTED, 0);
    body();
    close_nest(at);
  }
  /// A struct in front of the inner attributes (VETH_INFO_PEER carries an ifinfomsg).
  template <class Header, class Body>
  void nested_with_header(std::uint16_t type, const Header& header, Body body) {
    const std::size_t at = buffer_.size();
    append_attribute(type, 0);
    buffer_.append(bytes_of(header));
    pad();
    body();
    close_nest(at);
  }

  bool empty() const { return buffer_.empty(); }
  std::string& bytes() { return buffer_; }

 private:
  void append_attribute(std::uint16_t type, std::size_t payload_size) {
    const nlattr head{.nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + payload_size), .nla_type = type};
    buffer_.append(bytes_of(head));
  }
  void close_nest(std::size_t at) {
    const auto length = static_cast<std::uint16_t>(buffer_.size() - at);  // callers keep nests below 64 KiB
    std::memcpy(buffer_.data() + at, &length, sizeof length);
    finish_message();
  }
  void pad() { buffer_.resize((buffer_.size() + 3) & ~std::size_t{3}); }
  void finish_message() {
    if (buffer_.empty()) return;
    const auto length = static_cast<std::uint32_t>(buffer_.size() - start_);
    std::memcpy(buffer_.data() + start_, &length, sizeof length);
  }

  std::string buffer_;
  std::size_t start_ = 0;
};

/// Reads the attributes of a message or nest; a broken length ends the walk.
class Attributes {
 public:
  explicit Attributes(std::string_view bytes) : bytes_(bytes) {}

  template <class Visitor>
  void each(Visitor visit) const {
    std::string_view rest = bytes_;
    nlattr head{};
    while (rest.size() >= sizeof head) {
      std::memcpy(&head, rest.data(), sizeof head);
      if (head.nla_len < sizeof head || head.nla_len > rest.size()) return;
      visit(static_cast<std::uint16_t>(head.nla_type & NLA_TYPE_MASK),
            rest.substr(sizeof head, head.nla_len - sizeof head));
      rest.remove_prefix(std::min<std::size_t>(rest.size(), (head.nla_len + 3u) & ~3u));
    }
  }
  std::optional<std::string_view> find(std::uint16_t type) const {
    std::optional<std::string_view> found;
    each([&](std::uint16_t candidate, std::string_view payload) {
      if (candidate == type) found = payload;
    });
    return found;
  }
  std::string text(std::uint16_t type) const {  ///< "" when absent
    std::string_view payload = find(type).value_or("");
    return std::string{payload.substr(0, payload.find('\0'))};
  }
  template <std::integral T>
  std::optional<T> number(std::uint16_t type) const {
    const std::optional<std::string_view> payload = find(type);
    if (!payload || payload->size() < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, payload->data(), sizeof value);
    return value;
  }

 private:
  std::string_view bytes_;
};

}  // namespace berth::network::netlink
