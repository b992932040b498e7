#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/stream.h"
#include "base/http_client/reply.h"
#include "base/sys/fd.h"
#include "registry/client/connections.h"

namespace berth::registry {

/// A `berth registry serve` on this machine gives and takes blobs as descriptors of their files, so that their bytes
/// don't go through sockets. Everything else is asked for and decided as ever, over HTTP.
///
/// It says with each answer (kHeader) what its socket is called; that is a name in a folder that only root can write
/// to, never a path, and where there is no such socket the registry is somewhere else. On the socket HTTP is spoken up
/// to a "101" (kUpgrade). Then the client sends a byte and gets one, with the descriptor: of GET /v2/NAME/blobs/DIGEST
/// to read, of PATCH /v2/NAME/blobs/uploads/ID to append to. Who appends sends a Mark for each stretch, and behind the
/// last one waits for a byte: all of it has been read and hashed, and a PUT over HTTP may name the digest. For each
/// stretch before, the registry says kAlive, so that one whose hashing is far behind is not taken for silent. At any
/// time it may say kRefused and, up to the end of the line, why.
namespace neighbour {

inline constexpr std::string_view kHeader = "Berth-Registry", kHeaderLower = "berth-registry",
                                  kUpgrade = "berth-blob-2";
inline constexpr char kGo = 'g', kAlive = 'a', kDone = 'd', kRefused = 'r';

/// How long the file is now, in the machine's order of bytes; kLast: it stays so.
using Mark = std::uint64_t;
inline constexpr Mark kLast = Mark{1} << 63;

/// "<folder>/<name>.sock"; nullopt for what is no name.
std::optional<std::string> socket_path(std::string_view folder, std::string_view name);

/// The registry's answer: a file, and the line on which it came.
struct Handover {
  http_client::Reply line;
  sys::UniqueFd file;
};

/// Asks at `socket`; nullopt whenever that leads to nothing, for whatever reason: there is HTTP. Only who has our own
/// user or is root is told anything.
std::optional<Handover> ask(const std::string& socket, Call call);

/// The file of a blob; nullopt unless it has `size` bytes.
std::unique_ptr<ByteSource> open_blob(Handover handover, std::uint64_t size, Connections& interruptible);

/// Appends to the file of an upload. What is not finished is dropped by the registry.
class Upload final : public ByteSink {
 public:
  Upload(Handover handover, std::uint64_t start, Connections& interruptible);
  void write(std::string_view bytes) override;
  void finish();  ///< throws unavailable when the registry has gone or is silent, forbidden when it refuses

 private:
  void tell(Mark mark);
  void hear();
  bool listen();
  void wait_for(short events);

  Handover handover_;
  Connections& interruptible_;
  std::uint64_t written_, told_;
  std::string answer_;  ///< what the registry has said, without its signs of life
};

}  // namespace neighbour

}  // namespace berth::registry
