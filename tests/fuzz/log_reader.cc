// Log files: a container's files may have been torn, truncated or written by others. Frames must be whole, the tail
// must be the end of the whole, and coalesced frames must hold what single ones do.

#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/core/text.h"
#include "base/sys/file.h"
#include "container/logs/reader.h"
#include "fuzz/fuzz.h"

namespace berth::container::logs {
namespace {

const std::string& log_path() {
  static const std::string kPath = [] {
    const std::string folder =
        cat(::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", "/berth-fuzz-log.", ::getpid());
    std::filesystem::create_directories(folder);
    return folder + "/x-json.log";
  }();
  return kPath;
}

std::string read(logfile::Format format, const ReadOptions& options) {
  Reader reader{log_path(), format, options};
  std::string all;
  for (std::string piece = reader.read(); !piece.empty(); piece = reader.read()) all += piece;
  return all;
}

/// Only the text of frames, checked on the way: "1" or "2" in front of each when streams are to be told apart.
std::string text_of(std::string_view frames, bool marked) {
  std::string text;
  while (!frames.empty()) {
    fuzz::require(frames.size() >= 8, "a frame has a whole header");
    const char stream = frames[0];
    fuzz::require(stream == 1 || stream == 2, "a frame belongs to a stream");
    std::size_t size = 0;
    for (std::size_t i = 4; i < 8; ++i) size = size << 8 | static_cast<unsigned char>(frames[i]);
    fuzz::require(frames.size() - 8 >= size, "a frame is as long as it says");
    if (marked && size != 0) text += static_cast<char>('0' + stream);
    text += frames.substr(8, size);
    frames.remove_prefix(8 + size);
  }
  return text;
}

}  // namespace
}  // namespace berth::container::logs

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace berth;
  using namespace berth::container::logs;
  fuzz::Input input{data, size};
  const std::uint8_t flags = input.byte(), tail = input.byte();
  const std::string_view content = input.rest();
  // The older half of the entries is in the file that was rotated away.
  const std::size_t middle = (flags & 1) != 0 ? content.find('\n', content.size() / 2) : std::string_view::npos;
  const std::size_t cut = middle == std::string_view::npos ? 0 : middle + 1;
  if (cut != 0) sys::write_file(log_path() + ".1", content.substr(0, cut), 0600);
  sys::write_file(log_path(), content.substr(cut), 0600);

  ReadOptions options{.want_stdout = (flags & 2) == 0, .want_stderr = (flags & 4) == 0};
  options.timestamps = (flags & 8) != 0;
  options.details = (flags & 16) != 0;
  // Both formats are read from whatever bytes there are.
  const logfile::Format format = (flags & 64) != 0 ? logfile::Format::local : logfile::Format::json;
  const std::string framed = read(format, options);
  const std::string whole = text_of(framed, false);
  options.coalesced = true;
  fuzz::require(text_of(read(format, options), false) == whole, "coalesced frames hold the same");
  options.coalesced = false;
  options.tail = tail;
  const std::string end = read(format, options);
  // Damage in the middle of a file of records hides what follows it from the front, and what is before it from the end.
  if (format == logfile::Format::json) fuzz::require(framed.ends_with(end), "the tail is the end of the whole");
  options.tail.reset();
  options.framed = false;
  fuzz::require(read(format, options) == whole, "without frames, the same text");
  if ((flags & 32) != 0) {
    options.since = Time{std::chrono::seconds{1'700'000'000}};
    options.until = Time{std::chrono::seconds{1'800'000'000}};
    const std::string some = read(format, options);
    fuzz::require(some.size() <= whole.size(), "a span of time holds no more than the whole");
  }
  if (cut != 0) sys::remove_file(log_path() + ".1");
  return 0;
}
