#include "bench/load/streams.h"

namespace steeple::bench {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

class ClosedLoop {
 public:
  explicit ClosedLoop(const Plan& plan) : plan_(plan), clients_(plan.clients), started_(plan.clients) {
    latencies_.reserve(1u << 18);
  }

  Result<void> start();
  // Until `end`, or until so many calls were answered.
  Result<void> run(Clock::time_point end, std::uint64_t count);
  Result<void> report(const UsageWindow& window, double seconds);
  void forget() { latencies_.clear(); }

 private:
  Result<void> open(std::size_t index);
  Result<void> next(std::size_t index);

  const Plan& plan_;
  Poller poller_;
  std::vector<Client> clients_;
  std::vector<Clock::time_point> started_;
  std::vector<std::uint64_t> latencies_;
};

// A full backlog is waited for: the wait is part of the call.
Result<void> ClosedLoop::open(std::size_t index) {
  Started outcome = Started::kBacklogFull;
  while ((outcome = clients_[index].start(plan_.target.socket_path, plan_.call)) == Started::kBacklogFull) {
  }
  if (outcome == Started::kFailed) return failed(clients_[index]);
  poller_.add(clients_[index].fd(), index);
  return {};
}

Result<void> ClosedLoop::start() {
  for (std::size_t index = 0; index < clients_.size(); ++index) {
    started_[index] = Clock::now();
    STEEPLE_CHECK(open(index));
  }
  return {};
}

Result<void> ClosedLoop::next(std::size_t index) {
  started_[index] = Clock::now();
  if (!plan_.kept) return open(index);
  if (!clients_[index].start_again()) return failed(clients_[index]);
  return {};
}

Result<void> ClosedLoop::run(Clock::time_point end, std::uint64_t count) {
  Clock::time_point last_answer = Clock::now();
  // One answer at least: a call that takes longer than the whole measurement is waited for.
  while (count != 0 ? latencies_.size() < count : Clock::now() < end || latencies_.empty()) {
    for (const epoll_event& event : poller_.wait(std::chrono::milliseconds(100))) {
      const std::size_t index = event.data.u64;
      Progress progress = clients_[index].on_readable();
      if (progress == Progress::kFailed) return failed(clients_[index]);
      if (progress == Progress::kWaiting) continue;
      last_answer = Clock::now();
      latencies_.push_back(ns_between(started_[index], last_answer));
      if (count != 0 && latencies_.size() >= count) break;
      STEEPLE_CHECK(next(index));
    }
    if (Clock::now() > last_answer + plan_.limit) return Error(ErrorCode::kDeadline, "no call is answered any more");
  }
  return {};
}

Result<void> ClosedLoop::report(const UsageWindow& window, double seconds) {
  if (latencies_.empty()) return Error(ErrorCode::kDeadline, "no call was answered in time");
  const auto count = static_cast<double>(latencies_.size());
  JsonLine line;
  line.integer("clients", plan_.clients);
  line.number("seconds", seconds);
  line.number("per_second", count / seconds);
  line.latencies(latencies_);
  line.usage(window, plan_.target, count);
  line.print();
  return {};
}

}  // namespace

Result<void> run_closed_loop(const Plan& plan) {
  ClosedLoop loop(plan);
  STEEPLE_CHECK(loop.start());
  if (plan.count == 0) STEEPLE_CHECK(loop.run(Clock::now() + plan.warm_up, 0));
  loop.forget();
  reset_peak(plan.target.pid);
  UsageWindow window;
  STEEPLE_CHECK(window.begin(plan.target));
  const Clock::time_point begin = Clock::now();
  STEEPLE_CHECK(loop.run(begin + plan.span, plan.count));
  const double seconds = seconds_between(begin, Clock::now());
  STEEPLE_CHECK(window.end(plan.target));
  return loop.report(window, seconds);
}

}  // namespace steeple::bench
