#include "base/sys/memory.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>

namespace berth::sys {

namespace {

/// Called for the program and each of its libraries; read-only segments are clean, so dropping them loses nothing.
int drop_read_only(dl_phdr_info* object, std::size_t, void*) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t start = (object->dlpi_addr + segment.p_vaddr) & ~(page - 1);
    const std::uintptr_t end = (object->dlpi_addr + segment.p_vaddr + segment.p_memsz + page - 1) & ~(page - 1);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the program headers have numbers
    ::madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);  // only a hint: failing costs memory
  }
  return 0;
}

}  // namespace

void give_memory_back() {
  ::malloc_trim(0);
  ::dl_iterate_phdr(drop_read_only, nullptr);
}

std::chrono::microseconds cpu_time() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto total = [](const timeval& time) {
    return std::chrono::seconds{time.tv_sec} + std::chrono::microseconds{time.tv_usec};
  };
  return total(usage.ru_utime) + total(usage.ru_stime);
}

}  // namespace berth::sys
