#include "agent/telemetry/agent_metrics.h"

#include "agent/telemetry/names.h"

namespace steeple::agent {

using std::chrono::nanoseconds;

AgentMetrics::AgentMetrics(runtime::Metrics& metrics)
    : metrics_(metrics),
      attestation_(metrics, std::string(metric::kAttestation)),
      entries_(metrics, std::string(metric::kFetchEntries)),
      svids_(metrics, std::string(metric::kFetchSvids)),
      taint_x509_(metrics, std::string(metric::kTaintX509)),
      taint_jwt_(metrics, std::string(metric::kTaintJwt)),
      discovered_(&metrics.sample(metric::kDiscoveredSelectors)),
      expiring_(&metrics.sample(metric::kExpiringSvids)) {}

void AgentMetrics::attestor_answered(std::string_view attestor, std::string_view status, nanoseconds elapsed) {
  auto known = attestors_.find(attestor);
  if (known == attestors_.end()) {
    runtime::CallMetric calls(metrics_, std::string(metric::kAttestor), {{"attestor", std::string(attestor)}});
    known = attestors_.emplace(std::string(attestor), std::move(calls)).first;
  }
  known->second.done(status, elapsed);
}

void AgentMetrics::caller_attested(std::string_view status, std::size_t selectors, nanoseconds elapsed) {
  attestation_.done(status, elapsed);
  if (status == "OK") discovered_->observe(static_cast<double>(selectors));
}

void AgentMetrics::entries_fetched(std::string_view status, nanoseconds elapsed) { entries_.done(status, elapsed); }
void AgentMetrics::svids_fetched(std::string_view status, nanoseconds elapsed) { svids_.done(status, elapsed); }
void AgentMetrics::svids_expiring(std::size_t count) { expiring_->observe(static_cast<double>(count)); }

void AgentMetrics::entries_synced(std::size_t bundles, std::size_t total, std::size_t missing, std::size_t stale,
                                  std::size_t dropped) {
  metrics_.gauge(metric::kSyncBundles).set(static_cast<double>(bundles));
  metrics_.gauge(metric::kSyncEntries).set(static_cast<double>(total));
  metrics_.gauge(metric::kSyncMissing).set(static_cast<double>(missing));
  metrics_.gauge(metric::kSyncStale).set(static_cast<double>(stale));
  metrics_.gauge(metric::kSyncDropped).set(static_cast<double>(dropped));
}

// Zero is counted, too, so that the series are there from the first pass on.
void AgentMetrics::entries_changed(std::uint64_t added, std::uint64_t updated, std::uint64_t removed) {
  metrics_.counter(metric::kCacheEntryRemove).add(static_cast<double>(removed));
  metrics_.counter(metric::kCacheEntryAdd).add(static_cast<double>(added));
  metrics_.counter(metric::kCacheEntryUpdate).add(static_cast<double>(updated));
}

void AgentMetrics::x509_svids_tainted(std::size_t count, nanoseconds elapsed) {
  metrics_.sample(metric::kTaintedX509).observe(static_cast<double>(count));
  taint_x509_.done("OK", elapsed);
}

void AgentMetrics::jwt_svids_tainted(std::size_t count, nanoseconds elapsed) {
  metrics_.sample(metric::kTaintedJwt).observe(static_cast<double>(count));
  taint_jwt_.done("OK", elapsed);
}

void AgentMetrics::rate_limit_exceeded(std::string_view full_method) {
  metrics_.counter(metric::kRateLimited, {{"method", std::string(full_method)}}).add(1);
}

void AgentMetrics::delegated_first_update(nanoseconds elapsed) {
  metrics_.sample(metric::kDelegatedFirstUpdate).observe(std::chrono::duration<double, std::milli>(elapsed).count());
}

}  // namespace steeple::agent
