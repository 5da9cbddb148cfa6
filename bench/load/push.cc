#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "bench/load/streams.h"

namespace steeple::bench {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kCurvePoints = 120;

// When the k-th stream had the push, in milliseconds since the first: [[ms, k], ...], thinned out.
std::string delivery_curve(std::vector<Clock::time_point>& arrivals) {
  std::sort(arrivals.begin(), arrivals.end());
  std::string out = "[";
  const std::size_t step = std::max<std::size_t>(arrivals.size() / kCurvePoints, 1);
  for (std::size_t index = 0; index < arrivals.size(); index += step)
    fmt::format_to(std::back_inserter(out), "{}[{:.3f},{}]", index == 0 ? "" : ",",
                   seconds_between(arrivals.front(), arrivals[index]) * 1e3, index + 1);
  return out + fmt::format(",[{:.3f},{}]]", seconds_between(arrivals.front(), arrivals.back()) * 1e3, arrivals.size());
}

class PushRound {
 public:
  PushRound(const Plan& plan, Streams& streams, std::uint64_t number)
      : plan_(plan), streams_(streams), number_(number), seen_(plan.streams) {}
  Result<void> run();

 private:
  Result<void> take(std::span<const epoll_event> events);
  Result<void> report();

  const Plan& plan_;
  Streams& streams_;
  std::uint64_t number_;  // of this push, the first is 1
  std::vector<bool> seen_;
  std::vector<Clock::time_point> arrivals_;
  UsageWindow window_;
};

Result<void> PushRound::take(std::span<const epoll_event> events) {
  for (const epoll_event& event : events) {
    const std::size_t index = event.data.u64;
    if (streams_.clients[index].on_readable() == Progress::kFailed) return failed(streams_.clients[index]);
    if (seen_[index] || streams_.clients[index].pushes() < number_) continue;
    seen_[index] = true;
    arrivals_.push_back(Clock::now());
  }
  return {};
}

Result<void> PushRound::run() {
  const Clock::time_point give_up = Clock::now() + plan_.limit;
  reset_peak(plan_.target.pid);
  while (arrivals_.size() < plan_.streams) {
    // The window begins at the last quiet moment before the first delivery.
    if (arrivals_.empty()) {
      window_ = UsageWindow();
      STEEPLE_CHECK(window_.begin(plan_.target));
    }
    STEEPLE_CHECK(take(streams_.poller.wait(50ms)));
    if (Clock::now() > give_up)
      return Error(ErrorCode::kDeadline, fmt::format("{} of {} streams received push {} in {} s", arrivals_.size(),
                                                     plan_.streams, number_, plan_.limit / 1s));
  }
  STEEPLE_CHECK(streams_.serve(Clock::now() + 20ms));  // acknowledgements, and the agent's own clean-up
  STEEPLE_CHECK(window_.end(plan_.target));
  return report();
}

Result<void> PushRound::report() {
  JsonLine line;
  line.json("event", "\"push\"");
  line.integer("streams", plan_.streams);
  line.json("delivery_ms", delivery_curve(arrivals_));
  line.number("first_to_last_ms", seconds_between(arrivals_.front(), arrivals_.back()) * 1e3);
  line.integer("first_ns", static_cast<std::uint64_t>(arrivals_.front().time_since_epoch().count()));
  line.usage(window_, plan_.target, static_cast<double>(plan_.streams));
  line.print();
  return {};
}

}  // namespace

Result<void> run_push(const Plan& plan) {
  Streams streams(plan.streams);
  STEEPLE_CHECK(streams.open(plan, 0, plan.streams, 64));
  for (unsigned number = 1; number <= plan.pushes; ++number) {
    JsonLine ready;
    ready.json("event", "\"ready\"");
    ready.print();
    STEEPLE_CHECK(PushRound(plan, streams, number).run());
  }
  return {};
}

}  // namespace steeple::bench
