// What the agent measures of itself: the parts' events become counters, their state gauges, once a second
// (config-cli 6). Owned by the app and made before the parts, which it outlives; stop() before it goes. I/O thread
// only.
#pragma once

#include <array>
#include <map>

#include "agent/config/agent_config.h"
#include "agent/node/node_identity.h"
#include "agent/sync/jwt_fetcher.h"
#include "agent/sync/syncer.h"
#include "agent/telemetry/agent_metrics.h"
#include "agent/telemetry/node_metrics.h"
#include "agent/telemetry/prometheus_tls.h"
#include "agent/telemetry/telemetry.h"
#include "agent/workload_api/first_svid_stages.h"
#include "attestation/workload/engine.h"

namespace steeple::agent {

// Null without `telemetry.Prometheus.tls`. What the sources refer to outlives the listener.
runtime::Result<std::shared_ptr<runtime::TlsServerContext>> prometheus_tls(const AgentConfig& config,
                                                                           PrometheusTlsSources sources);

class TelemetrySide {
 public:
  // References outlive the object. `tls`: of the Prometheus listener, if it has any.
  TelemetrySide(runtime::Loop& loop, const runtime::Clock& clock, const AgentConfig& config,
                std::shared_ptr<runtime::TlsServerContext> tls, const runtime::Logger& log);

  runtime::Metrics& metrics() { return telemetry_.metrics(); }
  runtime::grpc::CallObserver* calls() { return telemetry_.calls(); }
  void engine_chosen(std::string_view backend);
  // The same manager, counted. It outlives this object's use.
  KeyManager& metered(KeyManager& keys);
  NodeIdentityEvents identity_events();
  attestation::AttestationEvents attestation_events();
  // Adds what is counted of the synchronisation to `events`, which may have handlers of their own.
  void add_to(SyncerEvents& events);
  // After a pass of the synchronisation.
  void synchronised(Syncer& syncer);
  void jwt_svids_tainted(std::size_t count, std::chrono::nanoseconds elapsed) {
    counters_.jwt_svids_tainted(count, elapsed);
  }
  void rate_limit_exceeded(std::string_view method) { counters_.rate_limit_exceeded(method); }
  FirstSvidSeen first_svid_seen();
  void delegated_first_update(std::chrono::nanoseconds elapsed) { counters_.delegated_first_update(elapsed); }
  // All outlive stop().
  void collect_from(Syncer& syncer, const JwtFetcher& tokens, const NodeIdentity& identity);
  void collect_from(const attestation::WorkloadEngine& attestors);

  void dump() { telemetry_.dump(); }

  void start() { telemetry_.start(); }
  runtime::Task<void> stop() { return telemetry_.stop(); }

 private:
  void collect(Syncer& syncer, const JwtFetcher& tokens, const NodeIdentity& identity);
  const runtime::Clock& clock_;
  const bool entries_are_synced_;  // else the server sends the whole list each time
  Telemetry telemetry_;
  AgentMetrics counters_;
  NodeMetrics node_;
  std::array<runtime::Metric*, 4> first_svid_;  // by stage
  std::optional<MeteredKeyManager> keys_;
  CacheCounts told_;
  std::map<std::string, std::uint64_t> figures_;  // of the attestors, as they were last
};

}  // namespace steeple::agent
