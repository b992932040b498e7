#include "engine/client_stream.h"

#include <gtest/gtest.h>

namespace berth::engine {
namespace {

TEST(Unframer, TakesFramesApartWhereverTheyAreCut) {
  const std::string long_text(70'000, 'x');
  const std::string frames = make_frame(1, "out") + make_frame(2, "") + make_frame(2, "err") + make_frame(1, long_text);
  for (const std::size_t step : {1U, 3U, 8U, 11U, 100'000U}) {
    Unframer unframer;
    std::string text;
    for (std::size_t at = 0; at < frames.size(); at += step)
      text += unframer.feed(std::string_view{frames}.substr(at, step));
    EXPECT_EQ(text, "outerr" + long_text) << step;
  }
}

}  // namespace
}  // namespace berth::engine
