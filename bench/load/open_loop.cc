#include <fmt/format.h>

#include <deque>

#include "bench/load/streams.h"

namespace steeple::bench {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kInFlightMax = 10'000;  // an agent that far behind does not sustain the rate

class OpenLoop {
 public:
  explicit OpenLoop(const Plan& plan) : plan_(plan), clients_(plan.kept ? plan.clients : 0), due_(clients_.size()) {}

  Result<void> connect();
  Result<void> run();

 private:
  Result<void> dispatch();
  Result<void> answered(std::size_t index);
  Result<void> turn(std::chrono::nanoseconds wait);
  Result<void> measure(Clock::time_point end);
  std::size_t free_slot();
  std::size_t in_flight() const { return clients_.size() - free_.size() + waiting_.size(); }

  const Plan& plan_;
  Poller poller_;
  std::vector<Client> clients_;
  std::vector<Clock::time_point> due_;     // of the call each client is making
  std::vector<std::size_t> free_;          // clients without a call
  std::deque<Clock::time_point> waiting_;  // calls that are due and have no client or no place in the backlog yet
  std::vector<std::uint64_t> latencies_;
  std::size_t in_flight_peak_ = 0;
  Clock::time_point begin_;  // of the measured part
  bool connecting_ = false;
};

Result<void> OpenLoop::connect() {
  connecting_ = true;
  for (std::size_t index = 0; index < clients_.size(); ++index) {
    if (clients_[index].start(plan_.target.socket_path, plan_.call) != Started::kYes) return failed(clients_[index]);
    poller_.add(clients_[index].fd(), index);
  }
  const Clock::time_point give_up = Clock::now() + plan_.limit;
  while (free_.size() < clients_.size()) {
    STEEPLE_CHECK(turn(100ms));
    if (Clock::now() > give_up) return Error(ErrorCode::kDeadline, "the kept connections are not all answered");
  }
  connecting_ = false;
  return {};
}

std::size_t OpenLoop::free_slot() {
  if (!free_.empty()) {
    std::size_t index = free_.back();
    free_.pop_back();
    return index;
  }
  clients_.emplace_back();
  due_.emplace_back();
  return clients_.size() - 1;
}

// Starts what is due, as far as there are clients and backlog for it.
Result<void> OpenLoop::dispatch() {
  while (!waiting_.empty() && (!plan_.kept || !free_.empty())) {
    const std::size_t index = free_slot();
    due_[index] = waiting_.front();
    if (plan_.kept) {
      if (!clients_[index].start_again()) return failed(clients_[index]);
    } else {
      Started outcome = clients_[index].start(plan_.target.socket_path, plan_.call);
      if (outcome == Started::kFailed) return failed(clients_[index]);
      if (outcome == Started::kBacklogFull) {
        free_.push_back(index);
        return {};
      }
      poller_.add(clients_[index].fd(), index);
    }
    waiting_.pop_front();
  }
  return {};
}

Result<void> OpenLoop::answered(std::size_t index) {
  if (!connecting_ && due_[index] >= begin_) latencies_.push_back(ns_between(due_[index], Clock::now()));
  if (!plan_.kept) clients_[index] = Client();
  free_.push_back(index);
  return {};
}

Result<void> OpenLoop::turn(std::chrono::nanoseconds wait) {
  for (const epoll_event& event : poller_.wait(wait)) {
    const std::size_t index = event.data.u64;
    Progress progress = clients_[index].on_readable();
    if (progress == Progress::kFailed) return failed(clients_[index]);
    if (progress == Progress::kAnswered) STEEPLE_CHECK(answered(index));
  }
  return {};
}

// Calls are due at begin_ + k / rate; those before begin_ are the warm-up.
Result<void> OpenLoop::measure(Clock::time_point end) {
  const auto gap = std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 / plan_.rate));
  Clock::time_point due = Clock::now();
  while (due < end) {
    for (Clock::time_point now = Clock::now(); due <= now && due < end; due += gap) waiting_.push_back(due);
    STEEPLE_CHECK(dispatch());
    in_flight_peak_ = std::max(in_flight_peak_, in_flight());
    if (in_flight() > kInFlightMax)
      return Error(ErrorCode::kLimit, fmt::format("more than {} calls are in flight: {} a second is not sustained",
                                                  kInFlightMax, plan_.rate));
    const bool starved = !waiting_.empty() && !plan_.kept;
    STEEPLE_CHECK(turn(starved ? std::chrono::nanoseconds(50us) : due - Clock::now()));
  }
  const Clock::time_point give_up = Clock::now() + plan_.limit;
  while (in_flight() != 0) {
    STEEPLE_CHECK(dispatch());
    STEEPLE_CHECK(turn(1ms));
    if (Clock::now() > give_up)
      return Error(ErrorCode::kDeadline, fmt::format("{} calls stay unanswered", in_flight()));
  }
  return {};
}

Result<void> OpenLoop::run() {
  begin_ = Clock::now() + plan_.warm_up;
  const Clock::time_point end = begin_ + plan_.span;
  latencies_.reserve(static_cast<std::size_t>(plan_.rate * seconds_between(begin_, end)) + 1);
  UsageWindow window;
  STEEPLE_CHECK(window.begin(plan_.target));
  const Clock::time_point started = Clock::now();
  STEEPLE_CHECK(measure(end));
  const double seconds = seconds_between(started, Clock::now());
  STEEPLE_CHECK(window.end(plan_.target));
  if (latencies_.empty()) return Error(ErrorCode::kInvalidArgument, "no call was due in the measured time");
  JsonLine line;
  line.number("rate", plan_.rate);
  line.number("seconds", seconds);
  line.integer("in_flight_peak", in_flight_peak_);
  line.latencies(latencies_);
  line.usage(window, plan_.target, plan_.rate * seconds_between(started, end));  // the warm-up's calls as well
  line.print();
  return {};
}

}  // namespace

Result<void> run_open_loop(const Plan& plan) {
  OpenLoop loop(plan);
  STEEPLE_CHECK(loop.connect());
  return loop.run();
}

}  // namespace steeple::bench
