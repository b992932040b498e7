// Archives as a stream: what the reader says must not depend on how the bytes arrive, every byte must be shown once
// (as data or to the observer), and an entry must be read as it was when the writer has written it.

#include <string>
#include <vector>

#include "archive/tar_reader.h"
#include "archive/tar_writer.h"
#include "fuzz/fuzz.h"
#include "fuzz/tar_mutator.h"

namespace berth::archive {
namespace {

struct Member {
  TarEntry entry;
  std::string data;
};

struct Reading {
  std::vector<Member> members;
  std::string raw, error;
};

class PiecewiseChunks final : public ChunkSource {
 public:
  explicit PiecewiseChunks(std::string_view bytes) : pieces_(bytes, 7) {}
  std::string_view next_chunk() override { return pieces_.next(); }

 private:
  fuzz::Pieces pieces_;
};

class Keeper final : public RawObserver {
 public:
  explicit Keeper(std::string& out) : out_(out) {}
  void raw(std::string_view bytes) override { out_ += bytes; }

 private:
  std::string& out_;
};

Reading read(ChunkSource& chunks) {
  Reading reading;
  Keeper keeper{reading.raw};
  TarReader tar{chunks, &keeper};
  try {
    while (std::optional<TarEntry> entry = tar.next()) {
      Member& member = reading.members.emplace_back(std::move(*entry), std::string{});
      for (std::string_view piece = tar.data(); !piece.empty(); piece = tar.data()) {
        member.data += piece;
        reading.raw += piece;
      }
    }
    tar.drain();
  } catch (const Error& error) {
    reading.error = error.text();
  }
  return reading;
}

bool same(const TarEntry& a, const TarEntry& b) {
  return a.type == b.type && a.path == b.path && a.link == b.link && a.size == b.size && a.mode == b.mode &&
         a.uid == b.uid && a.gid == b.gid && a.user == b.user && a.group == b.group && a.mtime == b.mtime &&
         a.device_major == b.device_major && a.device_minor == b.device_minor && a.xattrs == b.xattrs;
}

void write_again(const std::vector<Member>& members) {
  StringSink sink;
  TarWriter tar{sink};
  for (const Member& member : members) {
    TarEntry entry = member.entry;
    tar.begin(entry);
    tar.write(member.data);
  }
  tar.finish();
  StringSource source{sink.text};
  BufferedChunks chunks{source};
  const Reading again = read(chunks);
  fuzz::require(again.error.empty(), "what the writer writes can be read");
  fuzz::require(again.members.size() == members.size(), "no entry is lost");
  for (std::size_t i = 0; i < members.size(); ++i) {
    fuzz::require(again.members[i].data == members[i].data, "data is written as it was read");
    fuzz::require(same(again.members[i].entry, members[i].entry), "an entry is written as it was read");
  }
}

}  // namespace
}  // namespace berth::archive

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace berth;
  using namespace berth::archive;
  const std::string_view bytes{reinterpret_cast<const char*>(data), size};
  StringSource source{bytes};
  BufferedChunks whole{source};
  const Reading reading = read(whole);
  PiecewiseChunks cut{bytes};
  const Reading again = read(cut);
  fuzz::require(reading.error == again.error && reading.raw == again.raw, "reading does not depend on the pieces");
  if (!reading.error.empty()) return 0;
  fuzz::require(reading.raw == bytes, "every byte is shown once");
  std::vector<Member> plain;
  for (const Member& member : reading.members) {
    std::uint64_t stored = 0, end = 0;
    for (const SparsePiece& piece : member.entry.pieces) {
      fuzz::require(piece.offset >= end && piece.size <= member.entry.real_size - piece.offset, "pieces are in order");
      end = piece.offset + piece.size;
      stored += piece.size;
    }
    if (member.entry.sparse) {
      fuzz::require(stored == member.entry.size, "the pieces of a sparse file are its data");
    } else {
      plain.push_back(member);
    }
    fuzz::require(member.data.size() == member.entry.size, "an entry has as much data as it says");
  }
  write_again(plain);
  return 0;
}
