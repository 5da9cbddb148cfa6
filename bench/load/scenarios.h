// The measurements: closed loop at a given concurrency, thousands of idle streams, thousands of first calls at once.
// Each runs against one socket and returns plain numbers; a failed operation fails the whole measurement.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/core/result.h"

namespace steeple::bench {

struct Target {
  std::string socket_path;
  pid_t pid = 0;  // 0: CPU and memory are not read
};

struct ClosedLoop {
  std::vector<std::uint32_t> latencies_ns;  // one per fetch, unsorted
  double seconds = 0;
  std::uint64_t agent_cpu_ns = 0;
  std::uint64_t own_cpu_ns = 0;
};
runtime::Result<ClosedLoop> run_closed_loop(const Target& target, unsigned clients, bool kept_connections,
                                            std::chrono::nanoseconds duration);

struct IdleStreams {
  std::size_t streams = 0;
  double open_seconds = 0;
  std::uint64_t before_rss_kib = 0;
  std::uint64_t after_rss_kib = 0;
  double kib_per_stream = 0;
  double idle_milli_cores = 0;             // while nothing happens
  std::optional<double> closed_rss_ratio;  // resident after all streams have left, to before
};
runtime::Result<IdleStreams> run_idle_streams(const Target& target, std::size_t streams, std::chrono::nanoseconds hold);

struct Storm {
  std::vector<std::uint32_t> latencies_ns;
  double all_served_ms = 0;
};
runtime::Result<Storm> run_storm(const Target& target, std::size_t clients, std::chrono::nanoseconds limit);

// Opens streams, then waits until every one has received `messages` pushes; for rotation and bundle changes.
struct Push {
  std::size_t streams = 0;
  double first_to_last_ms = 0;
  std::uint64_t agent_cpu_ns = 0;
};
runtime::Result<Push> run_push(const Target& target, std::size_t streams, std::chrono::nanoseconds limit);

}  // namespace steeple::bench
