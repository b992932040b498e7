#include "logsink/compress.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <string>

#include "base/core/error.h"
#include "base/sys/file.h"

namespace berth::logsink {
namespace {

constexpr std::size_t kChunk = 64 << 10;
constexpr int kGzip = 15 + 16;  // window bits, and a gzip header

struct Deflater {
  Deflater() {
    if (::deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
      throw system_error("deflateInit2: out of memory");
    }
  }
  Deflater(Deflater&&) = delete;
  ~Deflater() { ::deflateEnd(&stream); }
  z_stream stream{};
};

}  // namespace

void compress(sys::FdRef from, sys::FdRef to) {
  Deflater deflater;
  z_stream& stream = deflater.stream;
  std::string input(kChunk, 0), output(kChunk, 0);
  for (int result = Z_OK; result != Z_STREAM_END;) {
    const std::size_t got = sys::read_full(from, input.data(), input.size());
    stream.next_in = reinterpret_cast<Bytef*>(input.data());
    stream.avail_in = static_cast<uInt>(got);
    do {
      stream.next_out = reinterpret_cast<Bytef*>(output.data());
      stream.avail_out = static_cast<uInt>(output.size());
      result = ::deflate(&stream, got < input.size() ? Z_FINISH : Z_NO_FLUSH);
      sys::write_all(to, std::string_view{output}.substr(0, output.size() - stream.avail_out));
    } while (stream.avail_out == 0);
  }
  struct stat info{};
  if (::fstat(from.get(), &info) != 0) throw errno_error("fstat", "log");
  const timespec times[2] = {info.st_atim, info.st_mtim};
  if (::futimens(to.get(), times) != 0) throw errno_error("futimens", "log");
}

}  // namespace berth::logsink
