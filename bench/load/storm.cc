#include "bench/load/streams.h"

namespace steeple::bench {

using runtime::Result;

Result<void> run_storm(const Plan& plan) {
  UsageWindow window;
  reset_peak(plan.target.pid);
  STEEPLE_CHECK(window.begin(plan.target));
  Streams streams(plan.streams);
  const Clock::time_point begin = Clock::now();
  std::fill(streams.started.begin(), streams.started.end(), begin);  // all are due at once
  STEEPLE_CHECK(streams.open(plan, 0, plan.streams, plan.streams));
  const double seconds = seconds_between(begin, Clock::now());
  // The clock of another process that runs is renewed at its ticks only.
  STEEPLE_CHECK(streams.serve(Clock::now() + std::chrono::milliseconds(10)));
  STEEPLE_CHECK(window.end(plan.target));
  Streams late(1);
  STEEPLE_CHECK(late.open(plan, 0, 1, 1));
  JsonLine line;
  line.integer("streams", plan.streams);
  line.number("all_served_ms", seconds * 1e3);
  line.number("late_client_ms", static_cast<double>(late.latencies[0]) / 1e6);
  line.latencies(streams.latencies);
  line.usage(window, plan.target, static_cast<double>(plan.streams));
  line.print();
  return {};
}

}  // namespace steeple::bench
