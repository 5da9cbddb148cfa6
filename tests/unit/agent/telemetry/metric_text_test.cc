#include "agent/telemetry/metric_text.h"

#include <catch2/catch.hpp>

#include "agent/telemetry/rpc_metrics.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using steeple::runtime::grpc::Method;
using steeple::runtime::grpc::MethodKind;
using steeple::runtime::grpc::StatusCode;
using std::chrono_literals::operator""ms;

TEST_CASE("Numbers are Go's") {
  CHECK(prometheus_number(0) == "0");
  CHECK(prometheus_number(1.5013420581817627) == "1.5013420581817627");
  CHECK(prometheus_number(-6.2135595008e+10) == "-6.2135595008e+10");
  CHECK(prometheus_number(999999) == "999999");
  CHECK(prometheus_number(1000000) == "1e+06");
  CHECK(prometheus_number(0.00001) == "1e-05");
}

TEST_CASE("Names of calls follow upstream's rule") {
  CHECK(metric_snake_case("FetchX509SVID") == "fetch_x509svid");
  CHECK(rpc_metric_name("/SpiffeWorkloadAPI/FetchX509Bundles") == "rpc.workload_api.fetch_x509_bundles");
  CHECK(rpc_metric_name("/SpiffeWorkloadAPI/FetchJWTSVID") == "rpc.workload_api.fetch_jwtsvid");
  CHECK(rpc_metric_name("/spire.api.server.entry.v1.Entry/SyncAuthorizedEntries") ==
        "rpc.entry.v1.entry.sync_authorized_entries");
  CHECK(rpc_metric_name("/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/FetchJWTSVIDs") ==
        "rpc.delegated_identity.fetch_jwtsvi_ds");
  CHECK(rpc_metric_name("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo") ==
        "rpc.grpc.reflection.v1alpha.server_reflection.server_reflection_info");
}

TEST_CASE("The page has families by name, series by label, quantiles last") {
  MetricsOptions options;
  options.host = "n\"1";
  Metrics metrics(options);
  metrics.counter("b.c", {{"status", "OK"}}).add(3);
  metrics.counter("b.c", {{"status", "Aborted"}}).add(1);
  metrics.gauge("a").set(0.1);
  metrics.sample("z").observe(2);
  CHECK(prometheus_text(metrics, std::chrono::steady_clock::now()) ==
        "# HELP spire_agent_a spire_agent_a\n# TYPE spire_agent_a gauge\n"
        "spire_agent_a{host=\"n\\\"1\"} 0.10000000149011612\n"
        "# HELP spire_agent_b_c spire_agent_b_c\n# TYPE spire_agent_b_c counter\n"
        "spire_agent_b_c{host=\"n\\\"1\",status=\"Aborted\"} 1\nspire_agent_b_c{host=\"n\\\"1\",status=\"OK\"} 3\n"
        "# HELP spire_agent_z spire_agent_z\n# TYPE spire_agent_z summary\n"
        "spire_agent_z{host=\"n\\\"1\",quantile=\"0.5\"} 2\nspire_agent_z{host=\"n\\\"1\",quantile=\"0.9\"} 2\n"
        "spire_agent_z{host=\"n\\\"1\",quantile=\"0.99\"} 2\nspire_agent_z_sum{host=\"n\\\"1\"} 2\n"
        "spire_agent_z_count{host=\"n\\\"1\"} 1\n");
}

TEST_CASE("Lines of StatsD and DogStatsD") {
  MetricsOptions options;
  options.host = "h";
  Metrics metrics(options);
  const MetricEvent count{&metrics.counter("rpc.x", {{"status", "OK"}}), 1};
  const MetricEvent gauge{&metrics.gauge("g"), 22.5};
  const MetricEvent sample{&metrics.sample("s"), 0.25};
  CHECK(statsd_line(count) == "spire_agent.rpc.x.OK.h:1.000000|c\n");
  CHECK(statsd_line(gauge) == "spire_agent.g.h:22.500000|g\n");
  CHECK(statsd_line(sample) == "spire_agent.s.h:0.250000|ms\n");
  CHECK(dogstatsd_line(count) == "spire_agent.rpc.x:1|c|#status:OK,host:h\n");
  CHECK(dogstatsd_line(gauge) == "spire_agent.g:22.5|g|#host:h\n");
  CHECK(dogstatsd_line(sample) == "spire_agent.s:0.250000|ms|#host:h\n");
}

TEST_CASE("Calls move the counters of their method and of their API") {
  Metrics metrics({});
  RpcMetrics rpc(metrics);
  const Method stream{"/SpiffeWorkloadAPI/FetchX509SVID", MethodKind::kServerStream, nullptr};
  rpc.call_began(stream);
  rpc.call_began(stream);
  CHECK(metrics.gauge("workload_api.connections").value() == 2);
  rpc.call_ended(stream, StatusCode::kPermissionDenied, 1ms);
  rpc.call_ended(stream, StatusCode::kCancelled, 1ms);  // its caller left
  CHECK(metrics.gauge("workload_api.connections").value() == 0);
  CHECK(metrics.counter("workload_api.connection").value() == 2);
  CHECK(metrics.counter("rpc.workload_api.fetch_x509svid", {{"status", "OK"}}).value() == 1);
  CHECK(metrics.counter("rpc.workload_api.fetch_x509svid", {{"status", "PermissionDenied"}}).value() == 1);
}

TEST_CASE("A histogram's buckets are cumulated, and its lines are timings") {
  Metrics metrics({});
  Metric& histogram = metrics.own_histogram("steeple.took", {{"stage", "attest"}});
  histogram.record(20ms);
  histogram.record(2ms);
  const std::string page = prometheus_text(metrics, std::chrono::steady_clock::now());
  CHECK(
      page.starts_with("# HELP steeple_took steeple_took\n# TYPE steeple_took histogram\n"
                       "steeple_took_bucket{stage=\"attest\",le=\"1e-05\"} 0\n"));
  CHECK(page.find("steeple_took_bucket{stage=\"attest\",le=\"0.0025\"} 1\n") != std::string::npos);
  CHECK(page.find("steeple_took_bucket{stage=\"attest\",le=\"0.025\"} 2\n") != std::string::npos);
  CHECK(
      page.ends_with("steeple_took_bucket{stage=\"attest\",le=\"+Inf\"} 2\n"
                     "steeple_took_sum{stage=\"attest\"} 0.022\nsteeple_took_count{stage=\"attest\"} 2\n"));
  CHECK(statsd_line({&histogram, 2}) == "steeple.took.attest:2.000000|ms\n");
  CHECK(dogstatsd_line({&histogram, 2}) == "steeple.took:2.000000|ms|#stage:attest\n");
}

TEST_CASE("A connection's first call and callers without an entry are counted") {
  Metrics metrics({});
  RpcMetrics rpc(metrics);
  const Method fetch{"/SpiffeWorkloadAPI/FetchX509SVID", MethodKind::kServerStream, nullptr};
  const Method check{"/grpc.health.v1.Health/Check", MethodKind::kUnary, nullptr};
  rpc.connection_used(fetch, 3ms);
  rpc.connection_used(check, 3ms);
  CHECK(metrics.own_histogram("steeple.first_svid_stage_seconds", {{"stage", "accept"}}).count() == 1);
  for (const StatusCode code : {StatusCode::kPermissionDenied, StatusCode::kOk}) {
    rpc.call_began(fetch);
    rpc.call_ended(fetch, code, 1ms);
    rpc.call_began(check);
    rpc.call_ended(check, code, 1ms);
  }
  CHECK(metrics.own_counter("steeple.callers_without_entry").value() == 1);
}
