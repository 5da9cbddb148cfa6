#include <fmt/format.h>

#include <algorithm>

#include "bench/load/hold.h"
#include "bench/load/streams.h"

namespace steeple::bench {

using runtime::Result;

namespace {

constexpr std::size_t kSteps = 16;
constexpr std::size_t kOpenAtOnce = 64;

// Memory after each part of the streams was opened: [[streams, memory], ...].
Result<std::string> open_in_steps(const Plan& plan, Streams& streams) {
  const std::size_t steps = std::min(kSteps, plan.streams);
  STEEPLE_TRY(before, memory_use(plan.target.pid));
  std::string out = fmt::format("[[0,{}]", json_memory(before));
  for (std::size_t step = 0; step < steps; ++step) {
    const std::size_t first = plan.streams * step / steps, last = plan.streams * (step + 1) / steps;
    STEEPLE_CHECK(streams.open(plan, first, last, kOpenAtOnce));
    STEEPLE_TRY(now, memory_use(plan.target.pid));
    out += fmt::format(",[{},{}]", last, json_memory(now));
  }
  return out + "]";
}

}  // namespace

Result<void> run_idle_streams(const Plan& plan) {
  JsonLine line;
  {
    Streams streams(plan.streams);
    const Clock::time_point begin = Clock::now();
    STEEPLE_TRY(steps, open_in_steps(plan, streams));
    line.integer("streams", plan.streams);
    line.number("open_seconds", seconds_between(begin, Clock::now()));
    line.json("memory_steps", steps);
    line.latencies(streams.latencies);
    STEEPLE_CHECK(hold_streams(plan, [&streams](Clock::time_point until) { return streams.serve(until); }, line));
  }
  if (plan.target.pid != 0 && plan.span > std::chrono::seconds(1)) {
    STEEPLE_TRY(left, memory_after_leaving(plan.target));
    line.json("after_leaving", left);
  }
  line.print();
  return {};
}

}  // namespace steeple::bench
