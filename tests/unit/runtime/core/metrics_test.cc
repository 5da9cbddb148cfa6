#include "runtime/core/metrics.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

using namespace steeple::runtime;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""ns;
using std::chrono_literals::operator""us;

namespace {

constexpr std::array<double, 3> kRanks{0.5, 0.9, 0.99};

MetricsOptions with_host() {
  MetricsOptions options;
  options.host = "node-1.example";
  return options;
}

}  // namespace

TEST_CASE("A series is one for its name and labels; values are sanitised, the host is not") {
  Metrics metrics(with_host());
  Metric& one = metrics.counter("rpc.health.check", {{"status", "1.15.3/_x"}});
  CHECK(one.name() == "spire_agent.rpc.health.check");
  CHECK(one.labels() == MetricLabels{{"status", "1_15_3_x"}, {"host", "node-1.example"}});
  CHECK(&metrics.counter("rpc.health.check", {{"status", "1.15.3/_x"}}) == &one);
  CHECK(&metrics.counter("rpc.health.check", {{"status", "OK"}}) != &one);
  CHECK(metrics.touched().empty());
  one.add(2);
  one.add(0.5);
  CHECK(one.value() == 2.5);
  CHECK(metrics.touched().size() == 1);
}

TEST_CASE("The longest prefix decides; names without one are allowed") {
  MetricsOptions options;
  options.blocked_prefixes = {"spire_agent.rpc", "spire_agent.a.b.c"};
  options.allowed_prefixes = {"spire_agent.rpc.health", "spire_agent.a.b"};
  Metrics metrics(options);
  for (const char* name : {"rpc.logger.get", "rpc.health.check", "a.b.c.d", "a.b.x", "other"})
    metrics.gauge(name).set(1);
  std::vector<std::string> seen;
  for (const Metric* metric : metrics.touched()) seen.push_back(metric->name());
  CHECK(seen == std::vector<std::string>{"spire_agent.a.b.x", "spire_agent.other", "spire_agent.rpc.health.check"});
}

TEST_CASE("Labels are left out by name, and a block wins") {
  MetricsOptions options = with_host();
  options.allowed_labels = {"status", "mode"};
  options.blocked_labels = {"mode"};
  Metrics metrics(options);
  CHECK(metrics.gauge("x", {{"status", "a"}, {"mode", "b"}, {"other", "c"}}).labels() == MetricLabels{{"status", "a"}});
  options.allowed_labels.clear();
  options.trust_domain = "example.org";
  Metrics plain(options);
  CHECK(plain.gauge("x", {{"mode", "b"}}).labels() ==
        MetricLabels{{"trust_domain", "example_org"}, {"host", "node-1.example"}});
}

TEST_CASE("Quantiles are of the last ten seconds") {
  Metrics metrics({});
  Metric& sample = metrics.sample("s");
  const SteadyTime now = std::chrono::steady_clock::now();
  CHECK(std::isnan(sample.quantiles(kRanks, now)[0]));
  for (int i = 1; i <= 100; ++i) sample.observe(i);
  CHECK(sample.quantiles(kRanks, now + 1s) == std::array<double, 3>{50, 90, 99});
  CHECK(std::isnan(sample.quantiles(kRanks, now + 60s)[2]));
  CHECK(sample.value() == 5050);
  CHECK(sample.count() == 100);
}

TEST_CASE("A call is counted and timed by its status") {
  Metrics metrics({});
  CallMetric calls(metrics, "node.attest");
  calls.done("OK", 1500000ns);
  calls.done("OK", 500000ns);
  calls.done("Unknown", 1ms);
  CHECK(metrics.counter("node.attest", {{"status", "OK"}}).value() == 2);
  CHECK(metrics.sample("node.attest.elapsed_time", {{"status", "OK"}}).value() == 2.0);
  CHECK(metrics.counter("node.attest", {{"status", "Unknown"}}).value() == 1);
}

TEST_CASE("Events wait in a ring of fixed size, and nothing is counted without a consumer") {
  Metrics metrics({});
  metrics.keep_events(true);
  Metric& counter = metrics.counter("c");
  for (std::size_t i = 0; i < kMetricEventsMax + 10; ++i) counter.add(1);
  std::size_t taken = 0;
  metrics.drain_events([&](const MetricEvent& event) { taken += event.metric == &counter && event.value == 1; });
  CHECK(taken == kMetricEventsMax);
  CHECK(counter.value() == kMetricEventsMax + 10);
  MetricsOptions off;
  off.enabled = false;
  Metrics none(off);
  none.counter("c").add(1);
  none.sample("s").observe(1);
  CHECK(none.touched().empty());
}

TEST_CASE("A histogram counts in its buckets, and push sinks get milliseconds") {
  Metrics metrics({});
  metrics.keep_events(true);
  Metric& histogram = metrics.own_histogram("steeple.took");
  REQUIRE(histogram.buckets().size() == kHistogramBounds.size() + 1);
  CHECK(std::is_sorted(kHistogramBounds.begin(), kHistogramBounds.end()));
  histogram.record(10us);  // a bound belongs to its bucket
  histogram.record(11us);
  histogram.record(700us);
  histogram.record(60s);
  CHECK(histogram.buckets()[0] == 1);
  CHECK(histogram.buckets()[1] == 1);
  CHECK(histogram.buckets()[6] == 1);
  CHECK(histogram.buckets().back() == 1);
  CHECK(histogram.count() == 4);
  CHECK(histogram.value() == Approx(60.000721));
  double pushed = 0;
  metrics.drain_events([&](const MetricEvent& event) { pushed += event.value; });
  CHECK(pushed == Approx(60000.721));
}
