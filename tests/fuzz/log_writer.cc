// What a container prints goes through the shim's log and back through the reader: each stream's bytes must come out as
// they went in, with U+FFFD for what is no UTF-8, however they were cut.

#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/core/text.h"
#include "base/core/time.h"
#include "base/sys/file.h"
#include "container/logs/reader.h"
#include "fuzz/fuzz.h"
#include "runtime/shim/json_log.h"

namespace berth {
namespace {

using runtime::shim::JsonLog;
using runtime::shim::Stream;

std::string read(const std::string& path, bool errors) {
  container::logs::Reader reader{
      path, logfile::Format::json, {.want_stdout = !errors, .want_stderr = errors, .framed = false}};
  std::string all;
  for (std::string piece = reader.read(); !piece.empty(); piece = reader.read()) all += piece;
  return all;
}

/// As JSON's writer shows text: valid UTF-8, and U+FFFD for each byte that belongs to none.
std::string valid(std::string_view text) {
  std::string quoted;
  json::write_string(quoted, text);
  return json::from_json<std::string>(quoted);
}

/// Lines of more than 16 KiB are cut into entries wherever that is, which may be within a character.
bool has_long_line(std::string_view text) {
  for (const std::string& line : split(text, '\n')) {
    if (line.size() >= (16 << 10)) return true;
  }
  return false;
}

}  // namespace
}  // namespace berth

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace berth;
  static const std::string kPath =
      cat(::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", "/berth-fuzz-", ::getpid(), "-json.log");
  fuzz::Input input{data, size};
  const std::uint8_t seed = input.byte(), repeat = input.byte();
  std::string bytes{input.rest()};
  if (repeat % 8 == 7 && bytes.size() < 4096) {  // long lines, without long inputs
    for (int i = 0; i < 6; ++i) bytes += bytes;
  }
  sys::write_file(kPath, "", 0600);
  JsonLog log{{.driver = "json-file", .path = kPath, .attributes = (seed & 1) != 0 ? R"({"a":"}\""})" : ""}};
  runtime::shim::LineState carry[2];
  std::string sent[2];
  fuzz::Pieces pieces{bytes, seed, 20000};
  for (std::string_view piece = pieces.next(); !piece.empty(); piece = pieces.next()) {
    const bool error = piece.size() % 3 == 0;
    log.append(error ? Stream::err : Stream::out, piece, carry[error], now());
    sent[error] += piece;
  }
  log.finish(Stream::out, carry[0], now());
  log.finish(Stream::err, carry[1], now());
  for (const bool error : {false, true}) {
    const std::string got = read(kPath, error);
    if (!has_long_line(sent[error])) fuzz::require(got == valid(sent[error]), "the log holds what was printed");
  }
  return 0;
}
