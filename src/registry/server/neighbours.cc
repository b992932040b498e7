#include "registry/server/neighbours.h"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/async/outcome.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "base/sys/socket.h"
#include "registry/client/neighbour.h"
#include "registry/server/blob_routes.h"
#include "registry/server/errors.h"
#include "registry/server/names.h"

namespace berth::registry::server {

namespace {

constexpr std::size_t kNameBytes = 16;
constexpr int kGone = 408;  ///< of an engine that left or was silent, as for a request that never comes to its end

/// false when `patience` ended first.
Task<bool> readable_within(sys::FdRef line, std::chrono::milliseconds patience) {
  using namespace boost::asio::experimental::awaitable_operators;
  const auto first =
      co_await (async::outcome(async::wait_readable(line)) || async::outcome(async::sleep_for(patience)));
  if (const std::exception_ptr& error = first.index() == 0 ? std::get<0>(first) : std::get<1>(first)) {
    std::rethrow_exception(error);
  }
  co_return first.index() == 0;
}

/// Waits for `size` bytes; false when the client has gone, or is silent for so long.
Task<bool> receive(sys::FdRef line, char* bytes, std::size_t size, std::chrono::milliseconds patience) {
  while (size > 0) {
    if (!co_await readable_within(line, patience)) co_return false;
    const ssize_t got = sys::retry_on_eintr([&] { return ::recv(line.get(), bytes, size, MSG_DONTWAIT); });
    if (got < 0 && errno == EAGAIN) continue;
    if (got <= 0) co_return false;
    bytes += got;
    size -= static_cast<std::size_t>(got);
  }
  co_return true;
}

}  // namespace

std::string neighbour_name(const std::string& root) {
  const std::string path = cat(root, "/name");
  if (const auto known = sys::read_file_if_exists(path)) {
    if (known->size() == 2 * kNameBytes && is_hex(*known)) return *known;
  }
  const std::string name = random_hex(kNameBytes);
  sys::write_file_durably(path, name, 0600);
  return name;
}

Neighbours::Neighbours(EventLoop& loop, async::BlockingPool& pool, Access& access, Store& store, Patience patience,
                       Note note, const Logger& log)
    : pool_(pool),
      access_(access),
      store_(store),
      patience_(patience),
      note_(std::move(note)),
      http_(loop, *this, {}, log) {}

void Neighbours::listen(const std::string& folder, const std::string& name) {
  sys::ensure_private_dir(folder);
  http_.listen_unix(cat(folder, "/", name, ".sock"), "");
}

Task<void> Neighbours::handle(http::Request request, http::ResponseStream& out) {
  const Target target = parse_target(request.path);
  std::string user;
  Passed passed;
  std::optional<http::Response> refusal;
  try {
    const Caller caller = co_await access_.identify(request);
    user = caller.user();
    access_.require(caller, request, target);
    passed = co_await dispatch(request, target, out);
  } catch (const Refusal& error) {
    refusal = error.response();
  }
  if (refusal) {
    passed = {.status = refusal->status, .bytes = refusal->body.size()};
    co_await out.send(std::move(*refusal));
  }
  note_(request, user, passed);
}

Task<Neighbours::Passed> Neighbours::dispatch(const http::Request& request, const Target& target,
                                              http::ResponseStream& out) {
  if (is_repository_name(target.repository) && request.header("upgrade") == neighbour::kUpgrade) {
    if (request.method == "GET" && target.kind == Target::Kind::blob) co_return co_await give(target, out);
    if (request.method == "PATCH" && target.kind == Target::Kind::upload) co_return co_await take(request, target, out);
  }
  throw Refusal{404, "NOT_FOUND", "no such page"};
}

/// Ends HTTP and hands over the file.
Task<std::optional<sys::UniqueFd>> Neighbours::hand_over(sys::FdRef file, http::ResponseStream& out) {
  http::Hijacked client = co_await out.hijack("application/octet-stream");
  const uid_t uid = sys::peer_credentials(client.socket).uid;
  if (uid != 0 && uid != ::geteuid()) co_return std::nullopt;
  char go = 0;
  if (!co_await receive(client.socket, &go, 1, patience_.go) || go != neighbour::kGo) co_return std::nullopt;
  sys::send_message(client.socket, {&neighbour::kDone, 1}, {file.get()});
  co_return std::move(client.socket);
}

Task<Neighbours::Passed> Neighbours::give(const Target& target, http::ResponseStream& out) {
  const auto size =
      is_digest(target.reference) ? store_.catalog.find_blob(target.repository, target.reference) : std::nullopt;
  const auto file = size ? store_.files.open(target.reference) : std::nullopt;
  if (!file) throw blob_unknown();
  if (!co_await hand_over(*file, out)) co_return Passed{.status = kGone};
  const auto bytes = static_cast<std::uint64_t>(*size);
  ++counts_.given;
  counts_.given_bytes += bytes;
  co_return Passed{.status = 200, .bytes = bytes};
}

Task<Neighbours::Passed> Neighbours::take(const http::Request& request, const Target& target,
                                          http::ResponseStream& out) {
  std::unique_ptr<Uploads::Hold> hold = co_await store_.uploads.take(target.reference, target.repository);
  check_position(request, *hold->upload());
  const sys::UniqueFd file = hold->upload()->open_writer();
  const std::optional<sys::UniqueFd> line = co_await hand_over(file, out);
  if (!line) co_return Passed{.status = kGone};
  co_return co_await absorb(*line, std::move(hold));
}

/// Hashes what is being written, close behind. Whatever does not come to its end is dropped, so that its space, which
/// may be what the disk has run out of, comes back.
Task<Neighbours::Passed> Neighbours::absorb(sys::FdRef line, std::unique_ptr<Uploads::Hold> hold) {
  const std::shared_ptr<BlobFiles::Upload> upload = hold->upload();
  const std::uint64_t start = upload->size();
  const auto quota = static_cast<std::uint64_t>(store_.quota_bytes);
  bool whole = false, too_much = false;
  try {
    neighbour::Mark mark = 0;
    while (!whole && co_await receive(line, reinterpret_cast<char*>(&mark), sizeof mark, patience_.mark)) {
      const std::uint64_t end = mark & ~neighbour::kLast;
      too_much = quota != 0 && end > quota;
      if (too_much) break;
      const auto work = [upload, end] { upload->absorb(end); };
      co_await pool_.run(work);
      whole = (mark & neighbour::kLast) != 0;
      // Who doesn't listen has no need of it.
      if (!whole) ::send(line.get(), &neighbour::kAlive, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) throw;  // the registry stops: it is taken up by the next
  }
  const std::uint64_t bytes = upload->size() - start;
  if (!whole) {
    co_await store_.uploads.drop(*hold);
    if (!too_much) co_return Passed{.status = kGone, .bytes = bytes};
    const Refusal refusal = quota_exceeded(store_.quota_bytes);
    sys::send_message(line, cat(neighbour::kRefused, refusal.what()));
    co_return Passed{.status = refusal.status(), .bytes = bytes};
  }
  hold.reset();  // for the request that names the digest
  ++counts_.taken;
  counts_.taken_bytes += bytes;
  sys::send_message(line, {&neighbour::kDone, 1});
  co_return Passed{.status = 202, .bytes = bytes};
}

}  // namespace berth::registry::server
