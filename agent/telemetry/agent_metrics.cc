#include "agent/telemetry/agent_metrics.h"

#include "agent/telemetry/names.h"

namespace steeple::agent {

using std::chrono::nanoseconds;

AgentMetrics::AgentMetrics(runtime::Metrics& metrics)
    : metrics_(metrics),
      attestation_(metrics, std::string(metric::kAttestation)),
      entries_(metrics, std::string(metric::kFetchEntries)),
      svids_(metrics, std::string(metric::kFetchSvids)),
      discovered_(&metrics.sample(metric::kDiscoveredSelectors)),
      expiring_(&metrics.sample(metric::kExpiringSvids)),
      bundles_total_(&metrics.gauge(metric::kSyncBundles)),
      entries_total_(&metrics.gauge(metric::kSyncEntries)) {}

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

void AgentMetrics::synchronised(std::size_t bundles, std::size_t entries) {
  bundles_total_->set(static_cast<double>(bundles));
  entries_total_->set(static_cast<double>(entries));
}

}  // namespace steeple::agent
