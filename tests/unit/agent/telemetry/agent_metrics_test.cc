#include "agent/telemetry/agent_metrics.h"

#include <catch2/catch.hpp>

using namespace steeple::agent;
using namespace steeple::runtime;
using std::chrono_literals::operator""ms;

TEST_CASE("Attestation is counted as a whole and by attestor; selectors of those attested alone") {
  Metrics metrics({});
  AgentMetrics counters(metrics);
  counters.attestor_answered("unix", "OK", 1ms);
  counters.attestor_answered("k8s", "Unavailable", 2ms);
  counters.caller_attested("OK", 3, 2ms);
  counters.caller_attested("Unknown", 0, 2ms);
  const MetricLabels ok{{"attestor", "unix"}, {"status", "OK"}};
  CHECK(metrics.counter("workload_api.workload_attestor", ok).value() == 1);
  CHECK(metrics.sample("workload_api.workload_attestor.elapsed_time", ok).value() == 1);
  CHECK(metrics.counter("workload_api.workload_attestor", {{"attestor", "k8s"}, {"status", "Unavailable"}}).value() ==
        1);
  CHECK(metrics.counter("workload_api.workload_attestation", {{"status", "OK"}}).value() == 1);
  CHECK(metrics.sample("workload_api.discovered_selectors").count() == 1);
  CHECK(metrics.sample("workload_api.discovered_selectors").value() == 3);
}

TEST_CASE("Synchronisation is counted and its totals are kept") {
  Metrics metrics({});
  AgentMetrics counters(metrics);
  CHECK(metrics.touched().empty());
  counters.entries_fetched("OK", 5ms);
  counters.svids_fetched("Unavailable", 1ms);
  counters.svids_expiring(4);
  counters.entries_synced(2, 7, 3, 2, 1);
  counters.entries_changed(3, 0, 1);
  counters.entries_changed(0, 2, 0);
  CHECK(metrics.counter("manager.sync.fetch_entries_updates", {{"status", "OK"}}).value() == 1);
  CHECK(metrics.counter("manager.sync.fetch_svids_updates", {{"status", "Unavailable"}}).value() == 1);
  CHECK(metrics.sample("cache_manager.expiring_svids").value() == 4);
  CHECK(metrics.gauge("sync_bundles_total").value() == 2);
  CHECK(metrics.gauge("sync_entries_total").value() == 7);
  CHECK(metrics.gauge("sync_entries_missing").value() == 3);
  CHECK(metrics.gauge("sync_entries_stale").value() == 2);
  CHECK(metrics.gauge("sync_entries_dropped").value() == 1);
  CHECK(metrics.counter("lru_cache_entry_add").value() == 3);
  CHECK(metrics.counter("lru_cache_entry_update").value() == 2);
  CHECK(metrics.counter("lru_cache_entry_remove").value() == 1);
}

TEST_CASE("Tainted SVIDs, refused calls and delegated subscriptions are counted") {
  Metrics metrics({});
  AgentMetrics counters(metrics);
  counters.x509_svids_tainted(5, 2ms);
  counters.jwt_svids_tainted(0, 1ms);
  counters.rate_limit_exceeded("/SpiffeWorkloadAPI/FetchX509SVID");
  counters.delegated_first_update(3ms);
  CHECK(metrics.sample("cache_manager.tainted_x509_svids.workload").value() == 5);
  CHECK(metrics.counter("cache_manager.workload.process_tainted_x509_svids", {{"status", "OK"}}).value() == 1);
  CHECK(metrics.sample("cache_manager.tainted_jwt_svids.workload").count() == 1);
  CHECK(metrics.counter("cache_manager.workload.process_tainted_jwt_svids", {{"status", "OK"}}).value() == 1);
  CHECK(metrics.counter("workload_api.rate_limit_exceeded", {{"method", "_SpiffeWorkloadAPI_FetchX509SVID"}}).value() ==
        1);
  CHECK(metrics.sample("delegated_identity_api.subscribe_x509_svids.first_update.elapsed_time").value() == 3);
}
