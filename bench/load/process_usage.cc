#include "bench/load/process_usage.h"

#include <fmt/format.h>
#include <time.h>

#include <cstdio>

namespace steeple::bench {

std::optional<std::uint64_t> cpu_nanoseconds(pid_t pid) {
  clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
  if (pid != 0 && clock_getcpuclockid(pid, &clock) != 0) return std::nullopt;
  timespec time{};
  if (clock_gettime(clock, &time) != 0) return std::nullopt;
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(time.tv_nsec);
}

std::optional<MemoryUse> memory_use(pid_t pid) {
  std::FILE* file = std::fopen(fmt::format("/proc/{}/smaps_rollup", pid).c_str(), "re");
  if (file == nullptr) return std::nullopt;
  MemoryUse use;
  char line[256];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    unsigned long long value = 0;
    if (std::sscanf(line, "Rss: %llu", &value) == 1) use.rss_kib = value;
    if (std::sscanf(line, "Pss: %llu", &value) == 1) use.pss_kib = value;
    if (std::sscanf(line, "Anonymous: %llu", &value) == 1) use.anonymous_kib = value;
  }
  std::fclose(file);
  return use;
}

}  // namespace steeple::bench
