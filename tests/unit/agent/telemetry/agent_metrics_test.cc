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
  counters.synchronised(2, 7);
  CHECK(metrics.counter("manager.sync.fetch_entries_updates", {{"status", "OK"}}).value() == 1);
  CHECK(metrics.counter("manager.sync.fetch_svids_updates", {{"status", "Unavailable"}}).value() == 1);
  CHECK(metrics.sample("cache_manager.expiring_svids").value() == 4);
  CHECK(metrics.gauge("sync_bundles_total").value() == 2);
  CHECK(metrics.gauge("sync_entries_total").value() == 7);
}
