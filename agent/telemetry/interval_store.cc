#include "agent/telemetry/interval_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/core/go_text.h"

namespace steeple::agent {

using runtime::MetricKind;
using runtime::SteadyTime;
using runtime::WallTime;

namespace {

// Go prints a moment with its place on the monotonic clock, counted from the start of the process.
std::string go_moment(WallTime time, std::chrono::nanoseconds since_start) {
  const auto count = std::max<std::int64_t>(since_start.count(), 0);
  return fmt::format("{} m=+{}.{:09}", runtime::go_time(time), count / 1'000'000'000, count % 1'000'000'000);
}

std::string full_name(const runtime::Metric& metric) {
  std::string name = metric.name();
  std::replace(name.begin(), name.end(), ' ', '_');
  for (const auto& [label, value] : metric.labels()) {
    name += '.';
    for (char c : value) name += c == ' ' || c == ':' ? '_' : c;
  }
  return name;
}

double deviation(double count, double sum, double sum_of_squares) {
  const double divisor = count * (count - 1);
  if (divisor == 0) return 0;
  return std::sqrt(std::max(0.0, (count * sum_of_squares - sum * sum) / divisor));
}

}  // namespace

void Interval::take(const runtime::MetricEvent& event, WallTime now, std::chrono::nanoseconds since_start) {
  const auto [place, is_new] = places_.try_emplace(event.metric, rows_.size());
  if (is_new) rows_.push_back(Row{event.metric, 0, 0, 0, 0, event.value, event.value, now, since_start});
  Row& row = rows_[place->second];
  ++row.count;
  row.last = event.value;
  row.sum += event.value;
  row.sum_of_squares += event.value * event.value;
  row.least = std::min(row.least, event.value);
  row.most = std::max(row.most, event.value);
  row.updated = now;
  row.since_start = since_start;
}

std::string Interval::line(const Row& row) {
  if (row.metric->kind() == MetricKind::kGauge) return fmt::format("{:.3f}", row.last);
  const std::string updated = go_moment(row.updated, row.since_start);
  const auto count = static_cast<double>(row.count);
  const double spread = deviation(count, row.sum, row.sum_of_squares);
  if (spread == 0) return fmt::format("Count: {} Sum: {:.3f} LastUpdated: {}", row.count, row.sum, updated);
  return fmt::format("Count: {} Min: {:.3f} Mean: {:.3f} Max: {:.3f} Stddev: {:.3f} Sum: {:.3f} LastUpdated: {}",
                     row.count, row.least, row.sum / count, row.most, spread, row.sum, updated);
}

std::string Interval::text() const {
  struct Part {
    MetricKind kind;
    char letter;
  };
  std::string out;
  const std::string start = runtime::go_time(start_);
  for (const Part part :
       {Part{MetricKind::kGauge, 'G'}, Part{MetricKind::kCounter, 'C'}, Part{MetricKind::kSample, 'S'}}) {
    for (const Row& row : rows_) {
      const MetricKind kind = row.metric->kind();
      if ((kind == MetricKind::kHistogram ? MetricKind::kSample : kind) != part.kind) continue;
      out += fmt::format("[{}][{}] '{}': {}\n", start, part.letter, full_name(*row.metric), line(row));
    }
  }
  return out;
}

Interval& IntervalStore::current(WallTime now) {
  const auto start = std::chrono::time_point_cast<WallTime::duration>(std::chrono::floor<std::chrono::seconds>(now));
  if (!intervals_.empty() && intervals_.back()->start() == start) return *intervals_.back();
  if (!intervals_.empty()) {
    intervals_.back()->places_ = {};
    intervals_.back()->rows_.shrink_to_fit();
  }
  intervals_.push_back(std::make_shared<Interval>(start));
  if (intervals_.size() > kIntervalsMax) intervals_.pop_front();
  return *intervals_.back();
}

void IntervalStore::take(const runtime::MetricEvent& event, WallTime now, SteadyTime steady_now) {
  current(now).take(event, now, steady_now - started_);
}

std::vector<std::shared_ptr<const Interval>> IntervalStore::finished(WallTime now) {
  current(now);
  return {intervals_.begin(), intervals_.end() - 1};
}

}  // namespace steeple::agent
