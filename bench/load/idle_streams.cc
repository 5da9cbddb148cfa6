#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "bench/load/streams.h"

namespace steeple::bench {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kSteps = 16;
constexpr std::size_t kOpenAtOnce = 64;

Result<void> enter_cgroup(const std::string& folder) {
  std::FILE* file = std::fopen((folder + "/cgroup.procs").c_str(), "we");
  if (file == nullptr) return runtime::system_error(folder, errno);
  std::fputs("0\n", file);
  if (std::fclose(file) != 0) return runtime::system_error(folder, errno);
  return {};
}

// Memory after each part of the streams was opened: [[streams, memory], ...].
Result<std::string> open_in_steps(const Plan& plan, Streams& streams) {
  const std::size_t steps = plan.cgroups.empty() ? std::min(kSteps, plan.streams) : plan.cgroups.size();
  const std::size_t shown = std::max<std::size_t>(steps / kSteps, 1);
  STEEPLE_TRY(before, memory_use(plan.target.pid));
  std::string out = fmt::format("[[0,{}]", json_memory(before));
  for (std::size_t step = 0; step < steps; ++step) {
    if (!plan.cgroups.empty()) STEEPLE_CHECK(enter_cgroup(plan.cgroups[step]));
    const std::size_t first = plan.streams * step / steps, last = plan.streams * (step + 1) / steps;
    STEEPLE_CHECK(streams.open(plan, first, last, kOpenAtOnce));
    if ((step + 1) % shown != 0 && step + 1 != steps) continue;
    STEEPLE_TRY(now, memory_use(plan.target.pid));
    out += fmt::format(",[{},{}]", last, json_memory(now));
  }
  return out + "]";
}

// Resident memory 5 s after all have left; sampled each second in between.
Result<std::string> after_leaving(const Target& target) {
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
    UsageWindow window;
    STEEPLE_CHECK(streams.serve(Clock::now() + plan.warm_up));
    STEEPLE_CHECK(window.begin(plan.target));
    const Clock::time_point held = Clock::now();
    STEEPLE_CHECK(streams.serve(held + plan.span));
    const double seconds = seconds_between(held, Clock::now());
    STEEPLE_CHECK(window.end(plan.target));
    if (plan.target.pid != 0) line.number("idle_milli_cores", static_cast<double>(window.agent_cpu_ns) / 1e6 / seconds);
    line.usage(window, plan.target, static_cast<double>(plan.streams));
  }
  if (plan.target.pid != 0) {
    STEEPLE_TRY(left, after_leaving(plan.target));
    line.json("after_leaving", left);
  }
  line.print();
  return {};
}

}  // namespace steeple::bench
