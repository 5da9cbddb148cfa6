#include "bench/load/usage.h"

#include <dirent.h>
#include <fmt/format.h>
#include <time.h>

#include <cerrno>
#include <cstdio>

namespace steeple::bench {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

std::uint64_t read_clock(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(time.tv_nsec);
}

Error gone(pid_t pid) { return Error(ErrorCode::kUnavailable, fmt::format("the agent's process {} is gone", pid)); }

}  // namespace

std::uint64_t own_cpu_ns() { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

Result<std::uint64_t> cpu_ns(pid_t pid) {
  if (pid == 0) return std::uint64_t{0};
  clockid_t clock{};
  if (::clock_getcpuclockid(pid, &clock) != 0) return gone(pid);
  return read_clock(clock);
}

Result<MemoryUse> memory_use(pid_t pid) {
  MemoryUse use;
  if (pid == 0) return use;
  char line[256];
  unsigned long long value = 0;
  std::FILE* file = std::fopen(fmt::format("/proc/{}/smaps_rollup", pid).c_str(), "re");
  if (file == nullptr && errno == EACCES) return use;  // another user's process: its CPU is all there is to see
  if (file == nullptr) return gone(pid);
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::sscanf(line, "Rss: %llu", &value) == 1) use.rss_kib = value;
    if (std::sscanf(line, "Pss: %llu", &value) == 1) use.pss_kib = value;
    if (std::sscanf(line, "Private_Clean: %llu", &value) == 1) use.private_kib += value;
    if (std::sscanf(line, "Private_Dirty: %llu", &value) == 1) use.private_kib += value;
  }
  std::fclose(file);
  file = std::fopen(fmt::format("/proc/{}/status", pid).c_str(), "re");
  if (file == nullptr) return gone(pid);
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::sscanf(line, "VmHWM: %llu", &value) == 1) use.peak_kib = value;
  }
  std::fclose(file);
  return use;
}

std::uint64_t descriptors(pid_t pid) {
  if (pid == 0) return 0;
  DIR* folder = ::opendir(fmt::format("/proc/{}/fd", pid).c_str());
  if (folder == nullptr) return 0;
  std::uint64_t count = 0;
  while (const dirent* entry = ::readdir(folder)) count += entry->d_name[0] != '.';
  ::closedir(folder);
  return count;
}

void reset_peak(pid_t pid) {
  if (pid == 0) return;
  if (std::FILE* file = std::fopen(fmt::format("/proc/{}/clear_refs", pid).c_str(), "we")) {
    std::fputs("5", file);
    std::fclose(file);
  }
}

}  // namespace steeple::bench
