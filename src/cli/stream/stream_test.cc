#include <gtest/gtest.h>

#include "base/core/error.h"
#include "cli/stream/demux.h"
#include "cli/stream/terminal.h"

namespace berth::cli {
namespace {

class Recorder : public OutputSink {
 public:
  void write(int stream, std::string_view bytes) override { (stream == 2 ? error : output) += bytes; }
  std::string output, error;
};

std::string frame(char stream, const std::string& bytes) {
  std::string head{stream, 0, 0, 0, 0, 0, static_cast<char>(bytes.size() >> 8), static_cast<char>(bytes.size())};
  return head + bytes;
}

TEST(Demultiplexer, FramesMayBeCutAnywhere) {
  const std::string stream = frame(1, "out") + frame(2, "err") + frame(1, "") + frame(1, std::string(300, 'x'));
  for (std::size_t step = 1; step < 20; ++step) {
    Recorder recorder;
    Demultiplexer demultiplexer{recorder};
    for (std::size_t at = 0; at < stream.size(); at += step) demultiplexer.feed(stream.substr(at, step));
    EXPECT_EQ(recorder.output, "out" + std::string(300, 'x'));
    EXPECT_EQ(recorder.error, "err");
  }
}

TEST(Demultiplexer, RefusesWhatIsNoFrame) {
  Recorder recorder;
  Demultiplexer demultiplexer{recorder};
  EXPECT_THROW(demultiplexer.feed("HTTP/1.1 200 OK"), Error);
}

TEST(DetachKeys, DefaultAndNamed) {
  EXPECT_EQ(parse_detach_keys(""), "\x10\x11");
  EXPECT_EQ(parse_detach_keys("ctrl-a,x,ctrl-["), "\x01x\x1b");
  EXPECT_THROW(parse_detach_keys("ctrl-"), Error);
}

TEST(DetachWatch, HoldsBackTheBeginningOfTheKeys) {
  DetachWatch watch{"\x10\x11"};
  EXPECT_EQ(watch.feed("ab\x10"), "ab");
  EXPECT_EQ(watch.feed("c"),
            "\x10"
            "c");
  EXPECT_EQ(watch.feed("\x10\x10"), "\x10");
  EXPECT_EQ(watch.feed("\x11"), std::nullopt);
}

}  // namespace
}  // namespace berth::cli
