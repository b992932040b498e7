// --detach-keys, as the daemon and the command line read them, and what a terminal's user types: no key is lost or
// doubled, and the sequence is found wherever it stands alone.

#include <string>

#include "cli/stream/terminal.h"
#include "container/detach_keys.h"
#include "fuzz/fuzz.h"
#include "runtime/shim/attached_client.h"

namespace berth {
namespace {

void check(const std::string& keys, std::string_view typed, std::uint8_t seed) {
  runtime::shim::DetachKeys scanner{keys};
  if (!scanner.enabled()) return;
  cli::DetachWatch watch{keys};
  std::string passed, shown;
  bool detached = false, left = false;
  std::size_t given = 0;
  fuzz::Pieces pieces{typed, seed, 30};
  for (std::string_view piece = pieces.next(); !piece.empty() && !detached; piece = pieces.next()) {
    given += piece.size();
    const auto result = scanner.scan(piece);
    passed += result.pass;
    detached = result.detached;
    const std::optional<std::string> fed = watch.feed(piece);
    left = !fed;
    if (fed) shown += *fed;
    fuzz::require(detached == left, "daemon and command line detach at the same key");
    // What is held back is the begin of the sequence.
    if (!detached) {
      fuzz::require(passed == shown, "daemon and command line pass the same on");
      fuzz::require(typed.substr(0, given).starts_with(passed), "keys are passed on as they were typed");
      fuzz::require(keys.starts_with(typed.substr(passed.size(), given - passed.size())), "only a begin is held back");
    }
  }
  if (detached) fuzz::require(typed.substr(0, given).find(keys) != std::string_view::npos, "the keys were typed");
}

}  // namespace
}  // namespace berth

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace berth;
  fuzz::Input input{data, size};
  const std::uint8_t seed = input.byte();
  const std::string text{input.line()};
  std::string keys, of_client;
  const bool daemon = fuzz::accepted([&] { keys = container::parse_detach_keys(text); });
  const bool client = fuzz::accepted([&] { of_client = cli::parse_detach_keys(text); });
  if (daemon) fuzz::require(!keys.empty() && keys.size() <= text.size() + 2, "a sequence is some keys");
  if (daemon && client) fuzz::require(keys == of_client, "daemon and command line read the same keys");
  if (daemon) check(keys, input.rest(), seed);
  return 0;
}
