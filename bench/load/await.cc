#include "bench/load/await.h"

#include <fmt/format.h>

#include <algorithm>

namespace steeple::bench {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

void Await::attempt(Clock::time_point give_up) {
  ++attempts;
  Client client;
  if (client.start(plan_.target.socket_path, plan_.call) != Started::kYes) {
    refusal = client.failure();
    return;
  }
  if (!connected_at) connected_at = Clock::now();
  Poller poller;
  poller.add(client.fd(), 0);
  Progress progress = Progress::kWaiting;
  while (progress == Progress::kWaiting && Clock::now() < give_up) {
    if (!poller.wait(give_up - Clock::now()).empty()) progress = client.on_readable();
  }
  if (progress == Progress::kAnswered) served_at = Clock::now();
  refusal = progress == Progress::kWaiting ? "the call stays unanswered" : client.failure();
}

Result<void> run_await(const Plan& plan) {
  const Clock::time_point begin = Clock::now(), give_up = begin + plan.limit;
  Await client(plan);
  Poller pause;
  for (Clock::time_point next = begin; !client.served();) {
    client.attempt(give_up);
    if (client.served()) break;
    next = std::max(next + plan.every, Clock::now());
    if (next > give_up)
      return Error(ErrorCode::kDeadline, fmt::format("not served in {:.0f} s; last refusal: {}",
                                                     seconds_between(begin, give_up), client.refusal));
    while (Clock::now() < next) pause.wait(next - Clock::now());
  }
  JsonLine line;
  line.integer("attempts", client.attempts);
  line.integer("begin_ns", static_cast<std::uint64_t>(begin.time_since_epoch().count()));
  line.integer("served_ns", static_cast<std::uint64_t>(client.served_at->time_since_epoch().count()));
  line.print();
  return {};
}

}  // namespace steeple::bench
