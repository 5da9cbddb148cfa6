#include "runtime/core/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace steeple::runtime {
namespace {

bool is_word(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

std::string key_of(const std::string& name, const MetricLabels& labels) {
  std::string key = name;
  for (const auto& [label, value] : labels) key += ';' + label + '=' + value;
  return key;
}

std::size_t longest_match(const std::vector<std::string>& prefixes, std::string_view name, bool& any) {
  std::size_t longest = 0;
  for (const std::string& prefix : prefixes) {
    if (!name.starts_with(prefix)) continue;
    any = true;
    longest = std::max(longest, prefix.size());
  }
  return longest;
}

}  // namespace

std::string sanitize_metric_label(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (is_word(text[i])) {
      out += text[i++];
      continue;
    }
    while (i < text.size() && !is_word(text[i])) ++i;
    if (i < text.size() && text[i] == '_') ++i;
    out += '_';
  }
  return out;
}

std::array<double, 3> Metric::quantiles(const std::array<double, 3>& ranks, SteadyTime now) const {
  std::vector<float> values;
  const std::size_t held = std::min<std::size_t>(count_, recent_.size());
  for (std::size_t i = 0; i < held; ++i)
    if (now - recent_[i].when <= kQuantileWindow) values.push_back(recent_[i].value);
  std::sort(values.begin(), values.end());
  std::array<double, 3> out{};
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    if (values.empty()) {
      out[i] = std::numeric_limits<double>::quiet_NaN();
      continue;
    }
    const auto rank = static_cast<std::size_t>(std::ceil(ranks[i] * static_cast<double>(values.size())));
    out[i] = values[std::clamp<std::size_t>(rank, 1, values.size()) - 1];
  }
  return out;
}

Metrics::Metrics(MetricsOptions options) : options_(std::move(options)) {}

Metric& Metrics::counter(std::string_view name, MetricLabels labels) {
  return find(MetricKind::kCounter, options_.prefix + "." + std::string(name), std::move(labels));
}
Metric& Metrics::gauge(std::string_view name, MetricLabels labels) {
  return find(MetricKind::kGauge, options_.prefix + "." + std::string(name), std::move(labels));
}
Metric& Metrics::sample(std::string_view name, MetricLabels labels) {
  return find(MetricKind::kSample, options_.prefix + "." + std::string(name), std::move(labels));
}
Metric& Metrics::own_gauge(std::string_view full_name, MetricLabels labels) {
  return find(MetricKind::kGauge, std::string(full_name), std::move(labels));
}
Metric& Metrics::own_counter(std::string_view full_name, MetricLabels labels) {
  return find(MetricKind::kCounter, std::string(full_name), std::move(labels));
}
Metric& Metrics::own_histogram(std::string_view full_name, MetricLabels labels) {
  return find(MetricKind::kHistogram, std::string(full_name), std::move(labels));
}

bool Metrics::allows_name(std::string_view full_name) const {
  bool allowed = false;
  bool blocked = false;
  const std::size_t for_it = longest_match(options_.allowed_prefixes, full_name, allowed);
  const std::size_t against = longest_match(options_.blocked_prefixes, full_name, blocked);
  return !blocked || (allowed && for_it > against);
}

bool Metrics::allows_label(const std::string& name) const {
  const auto in = [&](const std::vector<std::string>& list) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  if (in(options_.blocked_labels)) return false;
  return options_.allowed_labels.empty() || in(options_.allowed_labels);
}

Metric& Metrics::find(MetricKind kind, std::string full_name, MetricLabels labels) {
  if (!options_.enabled || !allows_name(full_name)) return muted_;
  if (!options_.trust_domain.empty()) labels.emplace_back("trust_domain", options_.trust_domain);
  for (auto& [label, value] : labels) value = sanitize_metric_label(value);
  if (!options_.host.empty()) labels.emplace_back("host", options_.host);
  std::erase_if(labels, [&](const auto& label) { return !allows_label(label.first); });
  std::unique_ptr<Metric>& metric = series_[key_of(full_name, labels)];
  if (!metric) {
    metric = std::make_unique<Metric>();
    metric->owner_ = this;
    metric->kind_ = kind;
    metric->name_ = std::move(full_name);
    metric->labels_ = std::move(labels);
    if (kind == MetricKind::kSample) metric->recent_.resize(kRecentSamples);
    if (kind == MetricKind::kHistogram) metric->buckets_.resize(kHistogramBounds.size() + 1);
  }
  return *metric;
}

std::vector<const Metric*> Metrics::touched() const {
  std::vector<const Metric*> out;
  for (const auto& [key, metric] : series_)
    if (metric->touched()) out.push_back(metric.get());
  return out;
}

void Metrics::keep_events(bool keep) {
  keep_events_ = keep;
  events_.reserve(keep ? kMetricEventsMax : 0);
}

void Metrics::drain_events(const std::function<void(const MetricEvent&)>& take) {
  for (const MetricEvent& event : events_) take(event);
  events_.clear();
}

CallMetric::CallMetric(Metrics& metrics, std::string name, MetricLabels labels)
    : metrics_(metrics), name_(std::move(name)), labels_(std::move(labels)) {}

void CallMetric::done(std::string_view status, std::chrono::nanoseconds elapsed) {
  auto found =
      std::find_if(by_status_.begin(), by_status_.end(), [&](const ByStatus& s) { return s.status == status; });
  if (found == by_status_.end()) {
    MetricLabels labels = labels_;
    labels.emplace_back("status", status);
    by_status_.push_back({status, &metrics_.counter(name_, labels), &metrics_.sample(name_ + ".elapsed_time", labels)});
    found = std::prev(by_status_.end());
  }
  found->calls->add(1);
  found->elapsed->observe(std::chrono::duration<double, std::milli>(elapsed).count());
}

}  // namespace steeple::runtime
