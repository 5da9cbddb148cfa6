#include "agent/telemetry/telemetry.h"

#include "agent/telemetry/metric_text.h"
#include "agent/telemetry/names.h"
#include "agent/telemetry/process_stats.h"
#include "runtime/task/timeout.h"

namespace steeple::agent {

using runtime::Deadline;
using runtime::HttpReply;
using runtime::Result;
using runtime::Task;

namespace {

bool has_consumer(const TelemetryOptions& options) {
  return options.prometheus || !options.statsd.empty() || !options.dogstatsd.empty() || options.in_memory;
}

runtime::MetricsOptions registry_options(const TelemetryOptions& options) {
  runtime::MetricsOptions registry = options.metrics;
  registry.enabled = has_consumer(options);
  return registry;
}

runtime::HttpServerOptions listener_options(const TelemetryOptions& options) {
  runtime::HttpServerOptions listener;
  listener.tls = options.prometheus_tls;
  return listener;
}

}  // namespace

Telemetry::Telemetry(runtime::Loop& loop, const runtime::Clock& clock, TelemetryOptions options,
                     const runtime::Logger& log)
    : loop_(loop),
      clock_(clock),
      options_(std::move(options)),
      log_(log.with_subsystem("telemetry")),
      started_wall_(clock.wall_now()),
      started_(clock.now()),
      metrics_(registry_options(options_)),
      rpc_(metrics_),
      prometheus_(
          loop, listener_options(options_), [this](const runtime::HttpServerRequest&) { return page(); }, log_),
      tasks_(loop) {
  for (const std::string& address : options_.statsd)
    pushes_.push_back(std::make_unique<PushSink>(loop, address, PushFormat::kStatsd, log_));
  for (const std::string& address : options_.dogstatsd)
    pushes_.push_back(std::make_unique<PushSink>(loop, address, PushFormat::kDogStatsd, log_));
  if (options_.in_memory) memory_.emplace(started_);
  metrics_.keep_events(!pushes_.empty() || memory_);
}

void Telemetry::start() {
  if (!metrics_.enabled()) return;
  metrics_.gauge(metric::kStarted, {{"version", options_.version}, {"trust_domain_id", options_.trust_domain}}).set(1);
  tasks_.spawn(sample());
  if (!pushes_.empty() || memory_) tasks_.spawn(push());
  if (!options_.prometheus) return;
  if (options_.prometheus_host != "localhost") {
    log_.warning(
        "Agent is now configured to accept remote network connections for Prometheus stats collection. Please ensure "
        "access to this port is tightly controlled");
  }
  log_.info("Starting prometheus exporter", {{"host", options_.prometheus_host}, {"port", options_.prometheus_port}});
  tasks_.spawn(serve_prometheus());
}

Task<void> Telemetry::serve_prometheus() {
  Result<void> bound = co_await prometheus_.bind(options_.prometheus_host, options_.prometheus_port, tasks_.token());
  if (!bound) {
    if (!tasks_.closed()) log_.warning("Prometheus listener stopped unexpectedly: " + bound.error().message());
    co_return;
  }
  co_await prometheus_.serve();
}

HttpReply Telemetry::page() {
  return {200,
          "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
          {},
          process_families(started_wall_) + prometheus_text(metrics_, clock_.now())};
}

Task<void> Telemetry::sample() {
  for (int samples = 0; !tasks_.closed(); ++samples) {
    if (samples % kUptimeEverySamples == 0) {
      const std::chrono::duration<double, std::milli> uptime = clock_.now() - started_;
      metrics_.gauge(metric::kUptime).set_precise(uptime.count());
    }
    const ProcessStats stats = read_process_stats();
    metrics_.gauge(metric::kRuntimeThreads).set(stats.threads);
    metrics_.gauge(metric::kRuntimeAllocBytes).set(stats.allocated_bytes);
    metrics_.gauge(metric::kRuntimeSysBytes).set(stats.system_bytes);
    if (stats.objects) {
      metrics_.gauge(metric::kMallocCount).set(static_cast<double>(stats.objects->made));
      metrics_.gauge(metric::kFreeCount).set(static_cast<double>(stats.objects->freed));
      metrics_.gauge(metric::kHeapObjects).set(static_cast<double>(stats.objects->live()));
    }
    for (const std::function<void()>& collect : collectors_) collect();
    static_cast<void>(
        co_await runtime::sleep_until(loop_, Deadline::after(loop_.now(), kRuntimeSampleInterval), tasks_.token()));
  }
}

void Telemetry::flush() {
  const runtime::WallTime now = clock_.wall_now();
  const runtime::SteadyTime steady_now = clock_.now();
  metrics_.drain_events([&](const runtime::MetricEvent& event) {
    for (const auto& sink : pushes_) sink->add(event);
    if (memory_) memory_->take(event, now, steady_now);
  });
  for (const auto& sink : pushes_) sink->send();
}

Task<void> Telemetry::push() {
  while (!tasks_.closed()) {
    for (const auto& sink : pushes_) co_await sink->keep_connected(tasks_.token());
    flush();
    static_cast<void>(
        co_await runtime::sleep_until(loop_, Deadline::after(loop_.now(), kPushInterval), tasks_.token()));
  }
  flush();
}

// A signal that comes while a dump is written makes one more, and no third.
void Telemetry::dump() {
  if (!memory_ || tasks_.closed() || dumps_wanted_ >= 2) return;
  if (++dumps_wanted_ == 1) tasks_.spawn(write_dump());
}

// An hour's text takes a while to make: others have their turn after each second's.
Task<void> Telemetry::write_dump() {
  const auto write = [this](std::string_view entry) { log_.info(entry); };
  for (; dumps_wanted_ > 0 && !tasks_.closed(); --dumps_wanted_) {
    flush();
    LogCutter cutter;
    for (const std::shared_ptr<const Interval>& interval : memory_->finished(clock_.wall_now())) {
      cutter.add(interval->text(), write);
      if (!co_await runtime::sleep_until(loop_, Deadline(loop_.now()), tasks_.token())) break;
    }
    cutter.finish(write);
  }
}

Task<void> Telemetry::stop() {
  tasks_.close(runtime::StopReason::kShutdown);
  co_await prometheus_.stop();
  co_await tasks_.join();
}

}  // namespace steeple::agent
