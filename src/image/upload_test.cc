#include "image/upload.h"

#include <gtest/gtest.h>

#include "base/core/error.h"

namespace berth::image {
namespace {

/// Takes a few bytes of each try and then breaks the line; says of itself what the test wants.
class Registry final : public Remote {
 public:
  std::function<std::uint64_t(std::uint64_t taken)> claim = [](std::uint64_t taken) { return taken; };
  std::uint64_t step = 100'000;  ///< taken of each try
  bool forgets = false;          ///< all of an upload whose line was cut
  std::string taken;
  int begun = 0;

  std::unique_ptr<Upload> begin_blob() override {
    ++begun;
    taken.clear();
    return std::make_unique<Line>(*this);
  }

  RemoteManifest get_manifest(const std::string&) override { return {}; }
  std::unique_ptr<ByteSource> open_blob(const oci::Descriptor&) override { return nullptr; }
  bool distrust_blob(const std::string&) override { return false; }
  bool has_manifest(const std::string&) override { return false; }
  Remote& source(const oci::Reference&) override { return *this; }
  bool has_blob(const std::string&) override { return false; }
  bool mount_blob(const std::string&, const std::string&) override { return false; }
  void put_manifest(const std::string&, const std::string&, const std::string&) override {}
  void interrupt() override {}

 private:
  class Line final : public Upload {
   public:
    explicit Line(Registry& registry) : registry_(registry), left_(registry.step) {}
    void write(std::string_view bytes) override {
      registry_.taken += bytes.substr(0, left_);
      if (left_ < bytes.size()) throw Error{ErrorKind::unavailable, "EOF"};
      left_ -= bytes.size();
    }
    std::uint64_t resume() override {
      left_ = registry_.step;
      if (registry_.forgets) throw not_found("blob upload unknown");
      return registry_.claim(registry_.taken.size());
    }
    void finish(const std::string&) override {}

   private:
    Registry& registry_;
    std::uint64_t left_;
  };
};

struct Sent {
  int tries = 0;
  std::string error;
};

Sent send(Registry& registry, const std::string& blob) {
  Sent sent;
  const auto produce = [&](ByteSink& sink) {
    ++sent.tries;
    for (std::size_t at = 0; at < blob.size(); at += 1000) sink.write(std::string_view{blob}.substr(at, 1000));
    return std::string{"digest"};
  };
  try {
    send_blob(registry, produce, [] {});
  } catch (const Error& error) {
    sent.error = error.text();
  }
  return sent;
}

std::string some_blob(std::size_t size) {
  std::string blob(size, 'x');
  for (std::size_t i = 0; i < size; ++i) blob[i] = static_cast<char>('a' + i % 23);
  return blob;
}

TEST(SendBlob, GoesOnWhereTheLineBroke) {
  Registry registry;
  const std::string blob = some_blob(950'000);
  const Sent sent = send(registry, blob);
  EXPECT_EQ(sent.error, "");
  EXPECT_EQ(sent.tries, 10);
  EXPECT_TRUE(registry.taken == blob);
}

TEST(SendBlob, AByteMoreEachTimeIsNoProgress) {
  Registry registry;
  registry.step = 1;
  EXPECT_EQ(send(registry, some_blob(950'000)).tries, 4);
}

TEST(SendBlob, ProgressThatIsForgottenIsNone) {
  Registry registry;
  registry.forgets = true;
  EXPECT_EQ(send(registry, some_blob(950'000)).tries, 4);
  EXPECT_EQ(registry.begun, 4);
}

TEST(SendBlob, ARegistryCantHaveMoreThanItWasSent) {
  Registry registry;
  registry.claim = [](std::uint64_t taken) { return taken + 10'000; };
  const Sent sent = send(registry, some_blob(950'000));
  EXPECT_EQ(sent.error, "the registry claims to have more of the blob than was sent");
  EXPECT_EQ(sent.tries, 1);
}

}  // namespace
}  // namespace berth::image
