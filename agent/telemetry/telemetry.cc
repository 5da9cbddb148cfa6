#include "agent/telemetry/telemetry.h"

#include <charconv>

#include "agent/telemetry/metric_text.h"
#include "agent/telemetry/names.h"
#include "agent/telemetry/process_stats.h"
#include "runtime/task/timeout.h"
#include "runtime/tls/resolver.h"

namespace steeple::agent {

using boost::asio::ip::udp;
using runtime::Deadline;
using runtime::HttpReply;
using runtime::Result;
using runtime::Task;

namespace {

constexpr std::chrono::seconds kConnectRetry{5};

bool has_consumer(const TelemetryOptions& options) {
  return options.prometheus || !options.statsd.empty() || !options.dogstatsd.empty();
}

runtime::MetricsOptions registry_options(const TelemetryOptions& options) {
  runtime::MetricsOptions registry = options.metrics;
  registry.enabled = has_consumer(options);
  return registry;
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
          loop, {}, [this](const runtime::HttpServerRequest&) { return page(); }, log_),
      tasks_(loop) {
  for (const std::string& address : options_.statsd)
    pushes_.push_back({address, &statsd_line, udp::socket(loop.io()), {}});
  for (const std::string& address : options_.dogstatsd)
    pushes_.push_back({address, &dogstatsd_line, udp::socket(loop.io()), {}});
  metrics_.keep_events(!pushes_.empty());
}

void Telemetry::start() {
  if (!metrics_.enabled()) return;
  metrics_.gauge(metric::kStarted, {{"version", options_.version}, {"trust_domain_id", options_.trust_domain}}).set(1);
  tasks_.spawn(sample());
  if (!pushes_.empty()) tasks_.spawn(push());
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

Task<bool> Telemetry::connect(Push& sink) {
  const std::size_t colon = sink.address.rfind(':');
  std::uint16_t port = 0;
  if (colon != std::string::npos) {
    std::from_chars(sink.address.data() + colon + 1, sink.address.data() + sink.address.size(), port);
  }
  const Deadline deadline = Deadline::after(loop_.now(), runtime::kLookupTimeout);
  auto found = co_await runtime::resolve_host(loop_, sink.address.substr(0, colon), port, deadline, tasks_.token());
  if (!found || port == 0) {
    if (!tasks_.closed()) {
      log_.error("Error connecting to statsd",
                 {{"address", sink.address}, {"error", found ? "invalid port" : found.error().message()}});
    }
    co_return false;
  }
  const udp::endpoint endpoint(found->front().address(), port);
  boost::system::error_code failed;
  sink.socket.open(endpoint.protocol(), failed);
  if (!failed) sink.socket.connect(endpoint, failed);
  if (!failed) sink.socket.non_blocking(true, failed);
  if (failed) {
    boost::system::error_code ignored;
    sink.socket.close(ignored);
  }
  co_return !failed;
}

// Best effort, as every StatsD client's: what the kernel does not take is lost.
void Telemetry::send(Push& sink) {
  boost::system::error_code ignored;
  if (sink.socket.is_open() && !sink.held.empty()) sink.socket.send(boost::asio::buffer(sink.held), 0, ignored);
  sink.held.clear();
}

void Telemetry::flush() {
  metrics_.drain_events([this](const runtime::MetricEvent& event) {
    for (Push& sink : pushes_) {
      const std::string line = sink.line(event);
      if (sink.held.size() + line.size() > kDatagramMax) send(sink);
      sink.held += line;
    }
  });
  for (Push& sink : pushes_) send(sink);
}

Task<void> Telemetry::push() {
  runtime::SteadyTime look = loop_.now();
  while (!tasks_.closed()) {
    if (loop_.now() >= look) {
      look = loop_.now() + kConnectRetry;
      for (Push& sink : pushes_)
        if (!sink.socket.is_open()) co_await connect(sink);
    }
    flush();
    static_cast<void>(
        co_await runtime::sleep_until(loop_, Deadline::after(loop_.now(), kPushInterval), tasks_.token()));
  }
  flush();
}

Task<void> Telemetry::stop() {
  tasks_.close(runtime::StopReason::kShutdown);
  co_await prometheus_.stop();
  co_await tasks_.join();
}

}  // namespace steeple::agent
