// Counters, gauges and summaries in the shape of Go's metrics library (config-cli 6.1), and histograms of durations. A
// series is made once, by name and labels, and kept as a reference: an observation is a few stores, without allocation
// or lock. Push sinks take single observations from a ring of fixed size; what does not fit is dropped. I/O thread
// only.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/core/clock.h"

namespace steeple::runtime {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

enum class MetricKind { kCounter, kGauge, kSample, kHistogram };

inline constexpr std::size_t kRecentSamples = 256;  // of one summary: what quantiles are made of
inline constexpr std::chrono::seconds kQuantileWindow{10};
inline constexpr std::size_t kMetricEventsMax = 4096;
// The upper bounds of a histogram's buckets, in seconds; above the last there is one more.
inline constexpr std::array<double, 17> kHistogramBounds{1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3,
                                                         1e-2, 2.5e-2, 0.1,  0.5,  1,      2.5,  10,   30};

struct MetricsOptions {
  bool enabled = true;  // else nothing is counted
  std::string prefix = "spire_agent";
  std::string host;          // label `host`; empty: none
  std::string trust_domain;  // label `trust_domain`; empty: none
  // The longest prefix of a dotted name decides; names without one are allowed.
  std::vector<std::string> allowed_prefixes;
  std::vector<std::string> blocked_prefixes;
  std::vector<std::string> allowed_labels;  // not empty: all others are left out
  std::vector<std::string> blocked_labels;
};

class Metrics;

class Metric {
 public:
  void add(double value);  // counters
  void set(double value);  // gauges, rounded to float32 as upstream's
  void set_precise(double value);
  void observe(double value);                  // summaries
  void record(std::chrono::nanoseconds took);  // histograms; push sinks get milliseconds

  MetricKind kind() const { return kind_; }
  const std::string& name() const { return name_; }  // "spire_agent.rpc.health.check"
  const MetricLabels& labels() const { return labels_; }
  bool touched() const { return touched_; }
  double value() const { return value_; }         // total, last value, or sum (of a histogram: seconds)
  std::uint64_t count() const { return count_; }  // of observations
  const std::vector<std::uint64_t>& buckets() const { return buckets_; }  // of a histogram, not cumulated
  // Of what was observed in the ten seconds before `now`; NaN when there was nothing.
  std::array<double, 3> quantiles(const std::array<double, 3>& ranks, SteadyTime now) const;

 private:
  friend class Metrics;
  struct Recent {
    float value;
    SteadyTime when;
  };
  void note(double value);
  Metrics* owner_ = nullptr;  // none: muted
  MetricKind kind_ = MetricKind::kCounter;
  bool touched_ = false;
  std::string name_;
  MetricLabels labels_;
  double value_ = 0;
  std::uint64_t count_ = 0;
  std::vector<Recent> recent_;
  std::vector<std::uint64_t> buckets_;
};

struct MetricEvent {
  const Metric* metric;
  double value;
};

class Metrics {
 public:
  explicit Metrics(MetricsOptions options);
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // `name` is dotted and goes behind the prefix; label values are sanitised. The reference stays valid.
  Metric& counter(std::string_view name, MetricLabels labels = {});
  Metric& gauge(std::string_view name, MetricLabels labels = {});
  Metric& sample(std::string_view name, MetricLabels labels = {});
  // The whole name is given: Steeple's own series.
  Metric& own_gauge(std::string_view full_name, MetricLabels labels = {});
  Metric& own_counter(std::string_view full_name, MetricLabels labels = {});
  Metric& own_histogram(std::string_view full_name, MetricLabels labels = {});

  bool enabled() const { return options_.enabled; }
  std::vector<const Metric*> touched() const;  // by name, then by labels

  void keep_events(bool keep);
  void drain_events(const std::function<void(const MetricEvent&)>& take);

 private:
  friend class Metric;
  Metric& find(MetricKind kind, std::string full_name, MetricLabels labels);
  bool allows_name(std::string_view full_name) const;
  bool allows_label(const std::string& name) const;
  MetricsOptions options_;
  Metric muted_;
  std::map<std::string, std::unique_ptr<Metric>> series_;
  std::vector<MetricEvent> events_;
  bool keep_events_ = false;
};

// Each run of characters outside [0-9A-Za-z_], with one following '_', becomes one '_'.
std::string sanitize_metric_label(std::string_view text);

inline void Metric::note(double value) {
  touched_ = true;
  if (owner_->keep_events_ && owner_->events_.size() < kMetricEventsMax) owner_->events_.push_back({this, value});
}
inline void Metric::add(double value) {
  if (owner_ == nullptr) return;
  value_ += value;
  note(value);
}
inline void Metric::set_precise(double value) {
  if (owner_ == nullptr) return;
  value_ = value;
  note(value);
}
inline void Metric::set(double value) { set_precise(static_cast<float>(value)); }
inline void Metric::observe(double value) {
  if (owner_ == nullptr) return;
  const float rounded = static_cast<float>(value);
  recent_[count_ % kRecentSamples] = {rounded, std::chrono::steady_clock::now()};
  ++count_;
  value_ += rounded;
  note(rounded);
}

inline void Metric::record(std::chrono::nanoseconds took) {
  if (owner_ == nullptr) return;
  const double seconds = std::chrono::duration<double>(took).count();
  std::size_t bucket = 0;
  for (const double bound : kHistogramBounds) bucket += seconds > bound ? 1 : 0;
  ++buckets_[bucket];
  ++count_;
  value_ += seconds;
  note(seconds * 1000);
}

// A call counter: `name`, and `name`.elapsed_time in milliseconds, both by `status` (a gRPC code's name with static
// storage).
class CallMetric {
 public:
  CallMetric(Metrics& metrics, std::string name, MetricLabels labels = {});
  void done(std::string_view status, std::chrono::nanoseconds elapsed);

 private:
  struct ByStatus {
    std::string_view status;
    Metric* calls;
    Metric* elapsed;
  };
  Metrics& metrics_;
  std::string name_;
  MetricLabels labels_;
  std::vector<ByStatus> by_status_;
};

}  // namespace steeple::runtime
