#include "bench/load/streams.h"

#include <fmt/format.h>

namespace steeple::bench {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using namespace std::chrono_literals;

Result<void> Streams::open(const Plan& plan, std::size_t first, std::size_t last, std::size_t in_flight_max) {
  const Clock::time_point give_up = Clock::now() + plan.limit;
  std::size_t next = first, answered = first;
  while (answered < last) {
    bool backlog_full = false;
    while (next < last && next - answered < in_flight_max && !backlog_full) {
      if (started[next] == Clock::time_point{}) started[next] = Clock::now();
      Started outcome = clients[next].start(plan.target.socket_path, plan.call);
      if (outcome == Started::kFailed) return failed(clients[next]);
      backlog_full = outcome == Started::kBacklogFull;
      if (!backlog_full) poller.add(clients[next].fd(), next), ++next;
    }
    for (const epoll_event& event : poller.wait(backlog_full ? 100us : std::chrono::nanoseconds(100ms))) {
      const std::size_t index = event.data.u64;
      Progress progress = clients[index].on_readable();
      if (progress == Progress::kFailed) return failed(clients[index]);
      if (progress == Progress::kWaiting || latencies[index] != 0) continue;
      latencies[index] = ns_between(started[index], Clock::now());
      ++answered;
    }
    if (Clock::now() > give_up)
      return Error(ErrorCode::kDeadline, fmt::format("{} of {} calls were answered in {} s", answered - first,
                                                     last - first, plan.limit / 1s));
  }
  return {};
}

Result<void> Streams::serve(Clock::time_point until) {
  for (Clock::time_point now = Clock::now(); now < until; now = Clock::now()) {
    for (const epoll_event& event : poller.wait(std::min<std::chrono::nanoseconds>(until - now, 100ms))) {
      if (clients[event.data.u64].on_readable() == Progress::kFailed) return failed(clients[event.data.u64]);
    }
  }
  return {};
}

}  // namespace steeple::bench
