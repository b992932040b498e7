#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/sys/fd.h"

namespace berth::sys {

/// A connected pair of AF_UNIX sockets of `type` (SOCK_STREAM, SOCK_SEQPACKET), close-on-exec.
std::pair<UniqueFd, UniqueFd> socket_pair(int type);
/// Reading end, writing end. `flags` as in pipe2(2) besides O_CLOEXEC.
std::pair<UniqueFd, UniqueFd> make_pipe(int flags = 0);

/// Listens at `path`, which must not exist. Paths longer than sockaddr_un allows (107 bytes) are reached
/// through /proc/self/fd of their folder. Mode is set before the name appears to others.
UniqueFd listen_unix(const std::string& path, int type, mode_t mode = 0600, int backlog = 128);
/// nullopt when nobody listens there (ECONNREFUSED, ENOENT).
std::optional<UniqueFd> connect_unix(const std::string& path, int type);

/// One message with descriptors on an AF_UNIX socket; an empty message is not allowed. Throws system (EPIPE
/// when the peer is gone).
void send_message(FdRef socket, std::string_view bytes, const std::vector<int>& fds = {});

struct Message {
  std::string bytes;  ///< empty: the peer closed
  std::vector<UniqueFd> fds;
};
/// Receives one message of at most `limit` bytes (SOCK_SEQPACKET) with up to 16 descriptors; a longer one
/// throws. nullopt when the socket is non-blocking and nothing is there.
std::optional<Message> receive_message(FdRef socket, std::size_t limit = 256 << 10);

struct PeerCredentials {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};
PeerCredentials peer_credentials(FdRef socket);

void set_nonblocking(FdRef fd, bool on = true);

}  // namespace berth::sys
