// What another process has used: CPU by its process clock (all threads), memory from smaps_rollup.
#pragma once

#include <sys/types.h>
#include <cstdint>
#include <optional>

namespace steeple::bench {

struct MemoryUse {
  std::uint64_t rss_kib = 0;
  std::uint64_t pss_kib = 0;
  std::uint64_t anonymous_kib = 0;
};

std::optional<std::uint64_t> cpu_nanoseconds(pid_t pid);  // of this process for pid 0
std::optional<MemoryUse> memory_use(pid_t pid);

}  // namespace steeple::bench
