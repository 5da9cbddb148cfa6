// `telemetry.InMem`: what was observed in each second of the last hour, and its text as upstream writes it on SIGUSR1
// (config-cli 3.2). Bound by the number of series and by kIntervalsMax. Sans I/O; I/O thread only.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/core/metrics.h"

namespace steeple::agent {

inline constexpr std::chrono::seconds kIntervalLength{1};
inline constexpr std::size_t kIntervalsMax = 3600;

class Interval {
 public:
  explicit Interval(runtime::WallTime start) : start_(start) {}
  void take(const runtime::MetricEvent& event, runtime::WallTime now, std::chrono::nanoseconds since_start);

  runtime::WallTime start() const { return start_; }
  // Gauges, then counters, then summaries, a line each.
  std::string text() const;

 private:
  friend class IntervalStore;
  struct Row {
    const runtime::Metric* metric;
    std::uint64_t count = 0;
    double last = 0, sum = 0, sum_of_squares = 0, least = 0, most = 0;
    runtime::WallTime updated;
    std::chrono::nanoseconds since_start;
  };
  static std::string line(const Row& row);
  runtime::WallTime start_;
  std::vector<Row> rows_;
  std::unordered_map<const runtime::Metric*, std::size_t> places_;  // of the rows, while it is the current one
};

class IntervalStore {
 public:
  explicit IntervalStore(runtime::SteadyTime started) : started_(started) {}

  void take(const runtime::MetricEvent& event, runtime::WallTime now, runtime::SteadyTime steady_now);
  // All but the current one, the oldest first.
  std::vector<std::shared_ptr<const Interval>> finished(runtime::WallTime now);

 private:
  Interval& current(runtime::WallTime now);
  runtime::SteadyTime started_;
  std::deque<std::shared_ptr<Interval>> intervals_;
};

// How upstream's logger cuts a text into entries: as many of 65,536 bytes as there are whole ones, then line by line.
class LogCutter {
 public:
  static constexpr std::size_t kEntryBytes = 65536;
  // Gives each entry that is complete to `take`.
  template <class Take>
  void add(std::string_view text, Take take) {
    held_ += text;
    while (held_.size() >= kEntryBytes) {
      take(std::string_view(held_).substr(0, kEntryBytes));
      held_.erase(0, kEntryBytes);
    }
  }
  template <class Take>
  void finish(Take take) {
    std::string_view rest = held_;
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      take(rest.substr(0, end));
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
    held_.clear();
  }

 private:
  std::string held_;
};

}  // namespace steeple::agent
