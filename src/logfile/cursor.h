#pragma once

#include <cstdint>
#include <string>

#include "base/sys/fd.h"

namespace berth::logfile {

/// How far the entries of a forwarded log have been sent. Written in place after each batch, so what is in it is never
/// ahead of the sink; after a power cut it may be behind, and entries are sent twice.
struct Cursor {
  std::uint64_t next = 1;     ///< number of the first entry that was not sent
  std::uint64_t dropped = 0;  ///< entries that never will be
};

std::string cursor_path(const std::string& log_path);
/// The beginning when there is no file, or nonsense in it.
Cursor read_cursor(const std::string& log_path);
void write_cursor(sys::FdRef file, const Cursor& cursor);

}  // namespace berth::logfile
