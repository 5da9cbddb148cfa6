#include "agent/telemetry/node_metrics.h"

#include <cmath>

#include "agent/telemetry/names.h"
#include "runtime/grpc/status.h"

namespace steeple::agent {

using runtime::Result;
using runtime::SteadyTime;

namespace {

// Go's zero time, which upstream shows while no bootstrap is under way.
constexpr double kNeverInUnixSeconds = -62135596800.0;

SteadyTime now() { return std::chrono::steady_clock::now(); }

runtime::CallMetric call(runtime::Metrics& metrics, std::string_view method) {
  return runtime::CallMetric(metrics, std::string(metric::kKeyManager) + "." + std::string(method));
}

}  // namespace

MeteredKeyManager::MeteredKeyManager(KeyManager& keys, runtime::Metrics& metrics)
    : keys_(keys),
      generate_(call(metrics, "generate_key")),
      get_(call(metrics, "get_key")),
      get_all_(call(metrics, "get_keys")) {}

Result<ManagedKey> MeteredKeyManager::generate(const std::string& id, runtime::KeyType type) {
  const SteadyTime began = now();
  Result<ManagedKey> key = keys_.generate(id, type);
  generate_.done(key ? "OK" : runtime::grpc::to_string(runtime::grpc::to_status(key.error()).code()), now() - began);
  return key;
}

std::vector<ManagedKey> MeteredKeyManager::keys() const {
  const SteadyTime began = now();
  std::vector<ManagedKey> keys = keys_.keys();
  get_all_.done("OK", now() - began);
  return keys;
}

std::optional<ManagedKey> MeteredKeyManager::find(std::string_view id) const {
  const SteadyTime began = now();
  std::optional<ManagedKey> key = keys_.find(id);
  get_.done(key ? "OK" : "NotFound", now() - began);
  return key;
}

NodeMetrics::NodeMetrics(runtime::Metrics& metrics)
    : metrics_(metrics),
      reattest_(metrics, std::string(metric::kReattest)),
      rotate_(metrics, std::string(metric::kRotateSvid)) {}

void NodeMetrics::bootstrap(bool again, std::optional<runtime::WallTime> started, std::int64_t attempts) {
  const runtime::MetricLabels mode{{"mode", again ? "rebootstrap" : "bootstrap"}};
  const double since =
      started ? std::floor(std::chrono::duration<double>(started->time_since_epoch()).count()) : kNeverInUnixSeconds;
  metrics_.gauge(metric::kBootstrapped).set(started ? 0 : 1);
  metrics_.gauge(metric::kBootstrapSeconds, mode).set(since);
  metrics_.gauge(metric::kBootstrapAttempts, mode).set(static_cast<double>(attempts));
}

void NodeMetrics::attested(std::string_view attestor, std::string_view status, std::chrono::nanoseconds elapsed) {
  if (!new_svid_) {
    new_svid_.emplace(metrics_, std::string(metric::kNewSvid),
                      runtime::MetricLabels{{"attestor", std::string(attestor)}});
  }
  new_svid_->done(status, elapsed);
}

}  // namespace steeple::agent
