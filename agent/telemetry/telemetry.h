// `telemetry {}`: the registry, the Prometheus listener, the StatsD and DogStatsD senders, the last hour in memory
// (config-cli 3.1 to 3.3, 6).
// Owned by the app, made first; stop() before it dies. I/O thread only.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/telemetry/interval_store.h"
#include "agent/telemetry/push_sink.h"
#include "agent/telemetry/rpc_metrics.h"
#include "runtime/core/log.h"
#include "runtime/core/metrics.h"
#include "runtime/http1/server.h"
#include "runtime/task/task_group.h"

namespace steeple::agent {

inline constexpr std::chrono::seconds kRuntimeSampleInterval{1};
inline constexpr int kUptimeEverySamples = 10;
inline constexpr std::chrono::milliseconds kPushInterval{100};

struct TelemetryOptions {
  runtime::MetricsOptions metrics;  // `enabled` is set when there is a consumer
  bool prometheus = false;
  std::string prometheus_host;
  std::uint16_t prometheus_port = 0;
  std::shared_ptr<runtime::TlsServerContext> prometheus_tls;  // none: plain HTTP
  std::vector<std::string> statsd;                            // host:port
  std::vector<std::string> dogstatsd;                         // or host, or unix://PATH
  bool in_memory = false;
  std::string trust_domain;
  std::string version;
};

class Telemetry {
 public:
  Telemetry(runtime::Loop& loop, const runtime::Clock& clock, TelemetryOptions options, const runtime::Logger& log);

  runtime::Metrics& metrics() { return metrics_; }
  runtime::grpc::CallObserver* calls() { return metrics_.enabled() ? &rpc_ : nullptr; }
  // Runs every second, to set gauges.
  void add_collector(std::function<void()> collector) { collectors_.push_back(std::move(collector)); }

  // SIGUSR1: what is in memory goes to the log.
  void dump();

  void start();
  runtime::Task<void> stop();
  std::uint16_t prometheus_port() const { return prometheus_.port(); }

 private:
  runtime::Task<void> serve_prometheus();
  runtime::Task<void> sample();
  runtime::Task<void> push();
  void flush();
  runtime::Task<void> write_dump();
  runtime::HttpReply page();

  runtime::Loop& loop_;
  const runtime::Clock& clock_;
  TelemetryOptions options_;
  runtime::Logger log_;
  runtime::WallTime started_wall_;
  runtime::SteadyTime started_;
  runtime::Metrics metrics_;
  RpcMetrics rpc_;
  runtime::HttpServer prometheus_;
  std::vector<std::unique_ptr<PushSink>> pushes_;
  std::optional<IntervalStore> memory_;
  int dumps_wanted_ = 0;
  std::vector<std::function<void()>> collectors_;
  runtime::TaskGroup tasks_;
};

}  // namespace steeple::agent
