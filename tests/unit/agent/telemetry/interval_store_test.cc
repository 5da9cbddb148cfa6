#include "agent/telemetry/interval_store.h"

#include <catch2/catch.hpp>

using namespace steeple::agent;
using namespace steeple::runtime;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;

namespace {

struct Memory {
  Metrics metrics{[] {
    MetricsOptions options;
    options.host = "node 1:a";
    return options;
  }()};
  SteadyTime started{};
  IntervalStore store{started};
  WallTime noon{std::chrono::seconds(1'785'412'800)};  // 2026-07-30 12:00:00 UTC

  void take(const Metric& metric, double value, std::chrono::nanoseconds at) {
    store.take({&metric, value}, noon + std::chrono::duration_cast<WallTime::duration>(at), started + 5s + at);
  }
  std::string text(std::chrono::nanoseconds at) {
    std::string all;
    for (const auto& interval : store.finished(noon + std::chrono::duration_cast<WallTime::duration>(at)))
      all += interval->text();
    return all;
  }
};

}  // namespace

TEST_CASE("A second's gauges, counters and summaries are written once it is over") {
  Memory memory;
  Metric& counter = memory.metrics.counter("calls", {{"status", "OK"}});
  Metric& gauge = memory.metrics.gauge("size");
  Metric& sample = memory.metrics.sample("took");
  memory.take(counter, 1, 100ms);
  memory.take(counter, 1, 200ms);
  memory.take(gauge, 3, 200ms);
  memory.take(gauge, 4.5, 300ms);
  for (double value : {1.0, 2.0, 3.0}) memory.take(sample, value, 400ms);
  CHECK(memory.text(900ms).empty());
  CHECK(memory.text(1100ms) ==
        "[2026-07-30 12:00:00 +0000 UTC][G] 'spire_agent.size.node_1_a': 4.500\n"
        "[2026-07-30 12:00:00 +0000 UTC][C] 'spire_agent.calls.OK.node_1_a': Count: 2 Sum: 2.000 LastUpdated: "
        "2026-07-30 12:00:00.2 +0000 UTC m=+5.200000000\n"
        "[2026-07-30 12:00:00 +0000 UTC][S] 'spire_agent.took.node_1_a': Count: 3 Min: 1.000 Mean: 2.000 Max: 3.000 "
        "Stddev: 1.000 Sum: 6.000 LastUpdated: 2026-07-30 12:00:00.4 +0000 UTC m=+5.400000000\n");
}

TEST_CASE("An hour is kept, and each second stands for itself") {
  Memory memory;
  Metric& gauge = memory.metrics.gauge("size");
  for (int second = 0; second < 4000; ++second) memory.take(gauge, second, std::chrono::seconds(second));
  const auto kept = memory.store.finished(memory.noon + 3999s);
  REQUIRE(kept.size() == kIntervalsMax - 1);
  CHECK(kept.front()->text() == "[2026-07-30 12:06:40 +0000 UTC][G] 'spire_agent.size.node_1_a': 400.000\n");
  CHECK(kept.back()->start() == memory.noon + 3998s);
}

TEST_CASE("A text goes to the log in whole blocks, its rest line by line") {
  std::vector<std::string> entries;
  const auto take = [&](std::string_view entry) { entries.emplace_back(entry); };
  LogCutter cutter;
  cutter.add("one\ntwo\n", take);
  CHECK(entries.empty());
  cutter.finish(take);
  CHECK(entries == std::vector<std::string>{"one", "two"});
  entries.clear();
  cutter.add(std::string(65534, 'x') + "\nyz\nrest\n", take);
  cutter.finish(take);
  REQUIRE(entries.size() == 3);
  CHECK(entries[0] == std::string(65534, 'x') + "\ny");
  CHECK(entries[1] == "z");
  CHECK(entries[2] == "rest");
}
