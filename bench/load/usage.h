// What a process has used: CPU by its process clock (all threads), memory from smaps_rollup, open descriptors.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "runtime/core/result.h"

namespace steeple::bench {

struct MemoryUse {
  std::uint64_t rss_kib = 0;
  std::uint64_t pss_kib = 0;
  std::uint64_t private_kib = 0;  // clean and dirty
  std::uint64_t peak_kib = 0;     // highest resident set since reset_peak()
};

// pid 0: nothing is read, all is zero.
std::uint64_t own_cpu_ns();
runtime::Result<std::uint64_t> cpu_ns(pid_t pid);
runtime::Result<MemoryUse> memory_use(pid_t pid);
std::uint64_t descriptors(pid_t pid);
void reset_peak(pid_t pid);  // where the kernel lets us

}  // namespace steeple::bench
