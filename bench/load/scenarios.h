// The measurements. Each runs against one socket and prints one line of JSON (run_push one for each push); a failed
// operation fails the whole measurement, so that nothing is ever averaged over failures.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "bench/load/call_shape.h"
#include "bench/load/outcome.h"

namespace steeple::bench {

struct Plan {
  Target target;
  CallShape call;
  unsigned clients = 1;                // in flight, kept connections, or pods that open their streams at a time
  bool kept = false;                   // keep the connections; only the stream is new
  std::chrono::nanoseconds span{};     // of the measured part
  std::chrono::nanoseconds warm_up{};  // before it, not measured
  std::uint64_t count = 0;             // closed loop: end after so many calls instead
  double rate = 0;                     // open loop: calls a second
  std::size_t streams = 0;
  unsigned pushes = 1;
  std::chrono::nanoseconds every{};  // await: between two attempts
  std::chrono::nanoseconds limit{};  // gives up after
  std::vector<std::string> cgroups;  // pods: the i-th part of the streams is opened from the i-th cgroup
};

// `clients` calls in flight; the next starts when one is answered.
runtime::Result<void> run_closed_loop(const Plan& plan);
// Calls start at fixed times whether or not earlier ones were answered; a latency counts from the time the call was
// due, so that a stalled agent cannot hide the calls that it delayed (no coordinated omission).
runtime::Result<void> run_open_loop(const Plan& plan);
// Opens streams, leaves them idle, closes them: memory at each step, CPU while idle.
runtime::Result<void> run_idle_streams(const Plan& plan);
// The same from a process in each cgroup, `clients` of them at a time.
runtime::Result<void> run_pods(const Plan& plan);
// Opens streams and waits for `pushes` updates to all of them: when each arrived.
runtime::Result<void> run_push(const Plan& plan);
// First calls, all at once; then one late client.
runtime::Result<void> run_storm(const Plan& plan);
// One client that asks every `every` until it gets its answer.
runtime::Result<void> run_await(const Plan& plan);
// Starts the agent, and tells when its socket takes connections and when it serves the first answer; stops it.
runtime::Result<void> run_start(const Plan& plan, char** command, const std::string& log_path, int cpu);

}  // namespace steeple::bench
