#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "bench/load/hold.h"
#include "bench/load/pod_process.h"

namespace steeple::bench {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

constexpr std::size_t kSteps = 16;

// All pods open their streams, `clients` pods at a time. Memory on the way: [[streams, memory], ...].
Result<std::string> open_all(const Plan& plan, PodProcesses& pods, PodBoard& board) {
  const std::size_t count = plan.cgroups.size(), shown = std::max<std::size_t>(count / kSteps, 1);
  const Clock::time_point give_up = Clock::now() + plan.limit;
  STEEPLE_TRY(before, memory_use(plan.target.pid));
  std::string out = fmt::format("[[0,{}]", json_memory(before));
  pods.go(std::min<std::size_t>(plan.clients, count));
  for (std::size_t done = 1; done <= count; ++done) {
    auto pod = pods.next(board, give_up);
    if (!pod && pod.error().code() == ErrorCode::kDeadline) {
      return Error(ErrorCode::kDeadline, fmt::format("{} of {} pods' calls were answered in {:.0f} s", done - 1, count,
                                                     std::chrono::duration<double>(plan.limit).count()));
    }
    if (!pod) return std::move(pod.error());
    if (plan.clients + done <= count) pods.go(1);
    if (done % shown != 0 && done != count) continue;
    STEEPLE_TRY(now, memory_use(plan.target.pid));
    out += fmt::format(",[{},{}]", plan.streams * done / count, json_memory(now));
  }
  return out + "]";
}

Result<void> enter_cgroups(const Plan& plan, PodProcesses& pods, PodBoard& board) {
  const Clock::time_point give_up = Clock::now() + plan.limit;
  for (std::size_t pod = 0; pod < plan.cgroups.size(); ++pod) {
    if (auto ready = pods.next(board, give_up); !ready) {
      return Error(ErrorCode::kUnavailable, "not all pods enter their cgroups: " + ready.error().message());
    }
  }
  return {};
}

// The parent only sleeps: the pods' processes take what their streams receive, and tell of failures.
Serve watch(PodProcesses& pods, PodBoard& board) {
  return [&pods, &board](Clock::time_point until) -> Result<void> {
    auto failure = pods.next(board, until);
    if (!failure && failure.error().code() != ErrorCode::kDeadline) return std::move(failure.error());
    return {};
  };
}

void report_opening(const Plan& plan, const UsageWindow& window, double seconds, PodBoard& board, JsonLine& line) {
  std::vector<std::uint64_t> latencies(board.latencies().begin(), board.latencies().end());
  line.integer("pods", plan.cgroups.size());
  line.integer("streams", plan.streams);
  line.number("open_seconds", seconds);
  line.number("all_served_ms", seconds * 1e3);
  line.latencies(latencies);
  if (plan.target.pid == 0) return;
  line.number("open_cpu_ms", static_cast<double>(window.agent_cpu_ns) / 1e6);
  line.number("open_cpu_us_per_op", static_cast<double>(window.agent_cpu_ns) / 1e3 / static_cast<double>(plan.streams));
}

}  // namespace

Result<void> run_pods(const Plan& plan) {
  STEEPLE_TRY(board, PodBoard::make(plan.cgroups.size(), plan.streams));
  JsonLine line;
  {
    STEEPLE_TRY(pods, PodProcesses::start(plan, board));
    STEEPLE_CHECK(enter_cgroups(plan, pods, board));
    reset_peak(plan.target.pid);
    UsageWindow window;
    STEEPLE_CHECK(window.begin(plan.target));
    const Clock::time_point begin = Clock::now();
    STEEPLE_TRY(steps, open_all(plan, pods, board));
    const double seconds = seconds_between(begin, Clock::now());
    STEEPLE_CHECK(window.end(plan.target));
    report_opening(plan, window, seconds, board, line);
    line.json("memory_steps", steps);
    STEEPLE_CHECK(hold_streams(plan, watch(pods, board), line));
  }
  if (plan.target.pid != 0 && plan.span > std::chrono::seconds(1)) {
    STEEPLE_TRY(left, memory_after_leaving(plan.target));
    line.json("after_leaving", left);
  }
  line.print();
  return {};
}

}  // namespace steeple::bench
