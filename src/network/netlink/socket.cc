#include "network/netlink/socket.h"

#include <sys/socket.h>

#include <array>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::network::netlink {

namespace {

constexpr std::size_t kDefaultSendBuffer = 96 << 10;  // below net.core.wmem_default with the kernel's overhead

/// Numbers the messages and counts those that will be answered.
std::size_t number_messages(std::string& bytes, std::uint32_t& sequence) {
  std::size_t expected = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    nlmsghdr head{};
    std::memcpy(&head, bytes.data() + at, sizeof head);
    head.nlmsg_seq = ++sequence;
    std::memcpy(bytes.data() + at, &head, sizeof head);
    if ((head.nlmsg_flags & NLM_F_ACK) != 0) ++expected;
    at += head.nlmsg_len;
  }
  return expected;
}

}  // namespace

struct Socket::Answers {
  std::uint32_t first_sequence = 0;
  std::size_t expected = 0, finished = 0;
  int error = 0;          ///< of the first message that failed
  std::string details{};  ///< what the kernel says about it
};

Socket::Socket(int protocol) : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)) {
  if (!fd_) throw errno_error("socket", "netlink");
  const int on = 1;  // failures of these two cost only comfort: shorter answers, better texts
  ::setsockopt(fd_.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  ::setsockopt(fd_.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
}

void Socket::exchange(Batch& batch, std::string_view what, const Visitor& visit) {
  Answers answers{.first_sequence = sequence_ + 1};
  answers.expected = number_messages(batch.bytes(), sequence_);
  send(batch.bytes(), what);
  // The kernel works inside sendmsg(2), so every answer is there already (a dump continues inside recvmsg): an empty
  // queue means that nothing more will come, and nobody ever hangs here.
  while (answers.finished < answers.expected && receive(answers, visit, what)) {
  }
  if (answers.error != 0) {
    std::string text = cat(what, ": ", std::strerror(answers.error));
    if (!answers.details.empty()) text += cat(" (", answers.details, ")");
    throw Error{ErrorKind::system, std::move(text), answers.error};
  }
  if (answers.finished < answers.expected) throw system_error(cat(what, ": netlink gave no answer"));
}

void Socket::send(const std::string& bytes, std::string_view what) {
  if (bytes.size() > kDefaultSendBuffer) {
    const int size = static_cast<int>(bytes.size() * 2);
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  }
  const ssize_t sent = sys::retry_on_eintr([&] { return ::send(fd_.get(), bytes.data(), bytes.size(), 0); });
  if (sent < 0) throw errno_error("netlink send", what);
}

bool Socket::receive(Answers& answers, const Visitor& visit, std::string_view what) {
  alignas(nlmsghdr) std::array<char, 32 << 10> buffer;
  const ssize_t size =
      sys::retry_on_eintr([&] { return ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_TRUNC); });
  if (size < 0 && errno == EAGAIN) return false;
  if (size < 0) throw errno_error("netlink recv", what);
  if (static_cast<std::size_t>(size) > buffer.size()) throw system_error(cat(what, ": netlink answer too long"));

  std::string_view rest{buffer.data(), static_cast<std::size_t>(size)};
  nlmsghdr head{};
  while (rest.size() >= sizeof head) {
    std::memcpy(&head, rest.data(), sizeof head);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > rest.size()) break;
    const std::string_view payload = rest.substr(sizeof head, head.nlmsg_len - sizeof head);
    rest.remove_prefix(std::min<std::size_t>(rest.size(), NLMSG_ALIGN(head.nlmsg_len)));
    if (static_cast<std::int32_t>(head.nlmsg_seq - answers.first_sequence) < 0) continue;  // of a call that threw
    if (head.nlmsg_type != NLMSG_ERROR && head.nlmsg_type != NLMSG_DONE) {
      if (visit) visit(head.nlmsg_type, payload);
      continue;
    }
    ++answers.finished;
    std::int32_t error = 0;
    if (payload.size() >= sizeof error) std::memcpy(&error, payload.data(), sizeof error);
    if (error < 0 && answers.error == 0) {
      answers.error = -error;
      if ((head.nlmsg_flags & NLM_F_ACK_TLVS) != 0 && payload.size() > sizeof(nlmsgerr)) {
        answers.details = Attributes{payload.substr(sizeof(nlmsgerr))}.text(NLMSGERR_ATTR_MSG);
      }
    }
  }
  return true;
}

}  // namespace berth::network::netlink
