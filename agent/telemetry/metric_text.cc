#include "agent/telemetry/metric_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace steeple::agent {

using runtime::Metric;
using runtime::MetricEvent;
using runtime::MetricKind;
using runtime::MetricLabels;

namespace {

constexpr std::array<double, 3> kRanks{0.5, 0.9, 0.99};

std::string prometheus_name(std::string_view dotted) {
  std::string out(dotted);
  for (char& c : out)
    if (c == ' ' || c == '.' || c == '=' || c == '-' || c == '/') c = '_';
  return out;
}

std::string escaped(std::string_view value) {
  std::string out;
  for (char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

// {a="1",b="2"}; `extra` comes last, as a quantile does.
std::string label_text(MetricLabels labels, std::string_view extra = "") {
  std::sort(labels.begin(), labels.end());
  std::string out;
  for (const auto& [name, value] : labels)
    out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : ",", name, escaped(value));
  if (!extra.empty()) out += (out.empty() ? "" : ",") + std::string(extra);
  return out.empty() ? out : "{" + out + "}";
}

std::string_view type_of(MetricKind kind) {
  if (kind == MetricKind::kCounter) return "counter";
  if (kind == MetricKind::kHistogram) return "histogram";
  return kind == MetricKind::kGauge ? "gauge" : "summary";
}

void append_totals(std::string& out, const std::string& name, const Metric& metric) {
  const std::string labels = label_text(metric.labels());
  out += fmt::format("{}_sum{} {}\n{}_count{} {}\n", name, labels, prometheus_number(metric.value()), name, labels,
                     metric.count());
}

void append_histogram(std::string& out, const std::string& name, const Metric& metric) {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < metric.buckets().size(); ++i) {
    below += metric.buckets()[i];
    const bool last = i == runtime::kHistogramBounds.size();
    const std::string bound = last ? "+Inf" : prometheus_number(runtime::kHistogramBounds[i]);
    out += fmt::format("{}_bucket{} {}\n", name, label_text(metric.labels(), fmt::format("le=\"{}\"", bound)), below);
  }
  append_totals(out, name, metric);
}

void append_series(std::string& out, const std::string& name, const Metric& metric, runtime::SteadyTime now) {
  if (metric.kind() == MetricKind::kHistogram) return append_histogram(out, name, metric);
  if (metric.kind() != MetricKind::kSample) {
    out += fmt::format("{}{} {}\n", name, label_text(metric.labels()), prometheus_number(metric.value()));
    return;
  }
  const auto quantiles = metric.quantiles(kRanks, now);
  for (std::size_t i = 0; i < kRanks.size(); ++i) {
    const std::string rank = fmt::format("quantile=\"{}\"", kRanks[i]);
    out += fmt::format("{}{} {}\n", name, label_text(metric.labels(), rank), prometheus_number(quantiles[i]));
  }
  append_totals(out, name, metric);
}

bool is_timing(MetricKind kind) { return kind == MetricKind::kSample || kind == MetricKind::kHistogram; }

std::string flat(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c == ':' || c == ' ') c = '_';
  return out;
}

char letter(MetricKind kind) { return kind == MetricKind::kCounter ? 'c' : 'g'; }

std::string shortest_fixed(double value) {
  char buffer[400];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  return std::string(buffer, end.ptr);
}

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

}  // namespace

std::string prometheus_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Inf" : "+Inf";
  const double size = std::fabs(value);
  const bool plain = value == 0 || (size >= 1e-4 && size < 1e6);
  char buffer[400];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific);
  return std::string(buffer, end.ptr);
}

std::string prometheus_family(std::string_view name, std::string_view type, std::string_view help, double value) {
  return fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", name, help, type, prometheus_number(value));
}

std::string prometheus_text(const runtime::Metrics& metrics, runtime::SteadyTime now) {
  struct Row {
    std::string name;
    std::string labels;
    const Metric* metric;
  };
  std::vector<Row> rows;
  for (const Metric* metric : metrics.touched())
    rows.push_back({prometheus_name(metric->name()), label_text(metric->labels()), metric});
  std::sort(rows.begin(), rows.end(),
            [](const Row& a, const Row& b) { return std::tie(a.name, a.labels) < std::tie(b.name, b.labels); });
  std::string out;
  const std::string* family = nullptr;
  for (const Row& row : rows) {
    if (family == nullptr || *family != row.name) {
      out += fmt::format("# HELP {0} {0}\n# TYPE {0} {1}\n", row.name, type_of(row.metric->kind()));
      family = &row.name;
    }
    append_series(out, row.name, *row.metric, now);
  }
  return out;
}

std::string statsd_line(const MetricEvent& event) {
  std::string name = event.metric->name();
  for (const auto& [label, value] : event.metric->labels()) name += "." + value;
  const MetricKind kind = event.metric->kind();
  if (is_timing(kind)) return fmt::format("{}:{:.6f}|ms\n", flat(name), event.value);
  return fmt::format("{}:{:.6f}|{}\n", flat(name), event.value, letter(kind));
}

std::string dogstatsd_line(const MetricEvent& event) {
  const MetricKind kind = event.metric->kind();
  std::string out = flat(event.metric->name()) + ":";
  if (is_timing(kind)) {
    out += fmt::format("{:.6f}|ms", event.value);
  } else if (kind == MetricKind::kCounter) {
    out += fmt::format("{}|c", static_cast<std::int64_t>(event.value));
  } else {
    out += shortest_fixed(event.value) + "|g";
  }
  bool first = true;
  for (const auto& [label, value] : event.metric->labels()) {
    out += (first ? "|#" : ",") + flat(label) + (value.empty() ? "" : ":" + flat(value));
    first = false;
  }
  return out + "\n";
}

std::string metric_snake_case(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (is_upper(c) && i != 0 && i + 1 != name.size() && (is_lower(name[i - 1]) || is_lower(name[i + 1])) &&
        out.back() != '_') {
      out += '_';
    }
    out += static_cast<char>(is_upper(c) ? c - 'A' + 'a' : c);
  }
  return out;
}

}  // namespace steeple::agent
