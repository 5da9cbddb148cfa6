// The metrics service that a plugin's host offers (config-cli 1.8): a plugin's counters, gauges, samples and times
// become series of the agent, behind its prefix. A plugin makes at most kPluginSeriesMax of them. EmitKey is refused:
// none of the sinks here has such a thing. I/O thread only.
#pragma once

#include <set>
#include <string>

#include "runtime/core/clock.h"
#include "runtime/core/metrics.h"
#include "runtime/grpc/service.h"

namespace steeple::agent {

inline constexpr std::string_view kMetricsServiceName = "spire.hostservice.common.metrics.v1.Metrics";
inline constexpr std::size_t kPluginSeriesMax = 1000;
inline constexpr std::size_t kPluginSeriesNameMax = 1024;  // bytes, labels included

class PluginMetricsService {
 public:
  // `metrics` outlives the object.
  explicit PluginMetricsService(runtime::Metrics& metrics) : metrics_(metrics) {}
  void add_to(runtime::grpc::ServiceTable& table);

  enum class Kind { kCounter, kGauge, kSample, kSince };
  // One call: decodes, counts, answers.
  runtime::Task<runtime::grpc::Status> take(Kind kind, runtime::grpc::ServerCall& call);

 private:
  runtime::grpc::Status count(Kind kind, const std::string& name, runtime::MetricLabels labels, double value);
  bool admit(Kind kind, const std::string& name, const runtime::MetricLabels& labels);
  runtime::Metrics& metrics_;
  std::set<std::string> known_;
};

}  // namespace steeple::agent
