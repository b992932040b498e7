#include "registry/client/neighbour.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/socket.h"

namespace berth::registry::neighbour {
namespace {

constexpr std::string_view kName = "0123456789abcdef0123456789abcdef";

TEST(Neighbour, ANameIsAFileInTheFolder) {
  EXPECT_EQ(socket_path("/run/x", kName), "/run/x/0123456789abcdef0123456789abcdef.sock");
}

TEST(Neighbour, WhatIsNoNameIsNowhere) {
  for (const std::string_view name :
       {"", "0123", "../../../../etc/0123456789abcdef", "0123456789abcdef0123456789abcde/",
        "0123456789ABCDEF0123456789ABCDEF", "0123456789abcdef0123456789abcdef0"}) {
    EXPECT_EQ(socket_path("/run/x", name), std::nullopt) << name;
  }
}

TEST(Neighbour, WithoutAFolderThereAreNone) { EXPECT_EQ(socket_path("", kName), std::nullopt); }

TEST(Neighbour, NobodyThereIsNoFailure) {
  EXPECT_FALSE(ask("/no/such/folder/x.sock", {.url = parse_url("http://127.0.0.1/v2/")}));
}

/// An upload to a registry that has stopped; `registry` is its end of the line.
struct Stuck {
  Connections connections{{}, std::chrono::milliseconds{200}};
  sys::UniqueFd registry;
  std::optional<Upload> upload;

  Stuck() {
    auto [ours, theirs] = sys::socket_pair(SOCK_STREAM);
    registry = std::move(theirs);
    const int least = 1;  // the kernel makes more of it, but room for a few marks only
    ::setsockopt(ours.get(), SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
    upload.emplace(Handover{.line = http_client::Reply{http_client::open_plain(std::move(ours))},
                            .file = sys::UniqueFd{::memfd_create("upload", MFD_CLOEXEC)}},
                   0, connections);
  }
};

template <class Work>
int failure_of(Work work) {
  try {
    work();
  } catch (const Error& error) {
    return error.kind() == ErrorKind::unavailable ? error.error_number() : -1;
  }
  return 0;
}

TEST(Neighbour, ARegistryThatIsSilentIsGivenUp) {
  Stuck stuck;
  stuck.upload->write("abc");
  EXPECT_EQ(failure_of([&] { stuck.upload->finish(); }), ETIMEDOUT);
}

TEST(Neighbour, ARegistryThatTakesNothingIsGivenUp) {
  Stuck stuck;
  const std::string piece(4 << 20, 'x');
  EXPECT_EQ(failure_of([&] {
              for (int i = 0; i < 50; ++i) stuck.upload->write(piece);
            }),
            ETIMEDOUT);
}

/// Its patience is 200 ms, and the hashing takes more than twice that.
TEST(Neighbour, ARegistryThatIsFarBehindIsNotSilent) {
  Stuck stuck;
  std::thread registry{[&] {
    for (int i = 0; i < 10; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds{50});
      sys::send_message(stuck.registry, {&kAlive, 1});
    }
    sys::send_message(stuck.registry, {&kDone, 1});
  }};
  stuck.upload->write("abc");
  EXPECT_EQ(failure_of([&] { stuck.upload->finish(); }), 0);
  registry.join();
}

TEST(Neighbour, ARefusalIsHeardBeforeTheEnd) {
  Stuck stuck;
  const std::string piece(4 << 20, 'x'), refusal = cat(kAlive, kRefused, "too much");
  sys::send_message(stuck.registry, refusal);
  stuck.registry.reset();
  EXPECT_EQ(failure_of([&] { stuck.upload->write(piece); }), -1);
}

TEST(Neighbour, ARegistryThatIsDoneSaysSo) {
  Stuck stuck;
  sys::send_message(stuck.registry, {&kDone, 1});
  EXPECT_EQ(failure_of([&] { stuck.upload->finish(); }), 0);
}

}  // namespace
}  // namespace berth::registry::neighbour
