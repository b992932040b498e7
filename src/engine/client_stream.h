#pragma once

#include <string>
#include <string_view>

#include "base/async/task.h"
#include "base/sys/fd.h"

namespace berth::engine {

/// Writes to a client's socket without blocking the loop; false when the client is gone. The caller keeps the socket.
Task<bool> write_to_client(sys::FdRef socket, std::string bytes);

/// One of Docker's frames: 8-byte header, then the text. Spec: docker-engine-api-v1.51.yaml, ContainerAttach.
std::string make_frame(int stream, std::string_view text);

/// Takes frames apart again as their bytes come.
class Unframer {
 public:
  std::string feed(std::string_view bytes);  ///< the text in them

 private:
  std::string head_;  ///< of the frame that begins, as far as it has come
  std::size_t left_ = 0;
};

}  // namespace berth::engine
