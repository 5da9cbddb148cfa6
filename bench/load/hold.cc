#include "bench/load/hold.h"

#include <fmt/format.h>

namespace steeple::bench {

using runtime::Result;

Result<void> hold_streams(const Plan& plan, const Serve& serve, JsonLine& line) {
  UsageWindow window;
  STEEPLE_CHECK(serve(Clock::now() + plan.warm_up));
  STEEPLE_CHECK(window.begin(plan.target));
  const Clock::time_point held = Clock::now();
  STEEPLE_CHECK(serve(held + plan.span));
  const double seconds = seconds_between(held, Clock::now());
  STEEPLE_CHECK(window.end(plan.target));
  if (plan.target.pid != 0) line.number("idle_milli_cores", static_cast<double>(window.agent_cpu_ns) / 1e6 / seconds);
  line.usage(window, plan.target, static_cast<double>(plan.streams));
  return {};
}

Result<std::string> memory_after_leaving(const Target& target) {
  std::string out = "[";
  const Clock::time_point left = Clock::now();
  Poller nothing;
  for (int second = 1; second <= 5; ++second) {
    while (Clock::now() < left + std::chrono::seconds(second))
      nothing.wait(left + std::chrono::seconds(second) - Clock::now());
    STEEPLE_TRY(now, memory_use(target.pid));
    out += fmt::format("{}[{},{}]", second == 1 ? "" : ",", second, json_memory(now));
  }
  return out + "]";
}

}  // namespace steeple::bench
