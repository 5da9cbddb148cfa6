// What one observation of a metric costs: nanoseconds, and allocations. Exit 1 when it is 100 ns or more, or allocates.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <new>

#include "runtime/core/metrics.h"

namespace {
std::size_t allocations = 0;
}

void* operator new(std::size_t size) {
  ++allocations;
  void* made = std::malloc(size);
  if (made == nullptr) std::abort();
  return made;
}
void operator delete(void* freed) noexcept { std::free(freed); }
void operator delete(void* freed, std::size_t) noexcept { std::free(freed); }

namespace {

using namespace steeple::runtime;

constexpr int kRounds = 500;
constexpr int kObservations = 2'000;  // of two events each: all fit the ring
constexpr double kNanosecondsMax = 100;

// The best round, since others share the machine.
template <class Observe>
bool measure(const char* what, Metrics& metrics, Observe observe) {
  observe(1.0);
  const std::size_t before = allocations;
  double best = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < kObservations; ++i) observe(i);
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - began;
    best = std::min(best, took.count() / kObservations);
    metrics.drain_events([](const MetricEvent&) {});
  }
  const std::size_t made = allocations - before;
  fmt::print("{:<28} {:6.1f} ns  {} allocations\n", what, best, made);
  return best < kNanosecondsMax && made == 0;
}

bool measure_all(bool push) {
  MetricsOptions options;
  options.host = "node-1";
  Metrics metrics(options);
  metrics.keep_events(push);
  Metric& counter = metrics.counter("counter");
  Metric& gauge = metrics.gauge("gauge");
  Metric& sample = metrics.sample("sample");
  Metric& histogram = metrics.own_histogram("histogram");
  CallMetric call(metrics, "call");
  fmt::print("{}\n", push ? "with a push sink" : "Prometheus alone");
  bool good = measure("counter", metrics, [&](double) { counter.add(1); });
  good &= measure("gauge", metrics, [&](double value) { gauge.set(value); });
  good &= measure("summary", metrics, [&](double value) { sample.observe(value); });
  good &= measure("histogram", metrics,
                  [&](double value) { histogram.record(std::chrono::microseconds(static_cast<long>(value))); });
  return measure("call (counter and summary)", metrics,
                 [&](double value) { call.done("OK", std::chrono::nanoseconds(static_cast<long>(value))); }) &&
         good;
}

}  // namespace

int main() {
  const bool alone = measure_all(false);
  const bool push = measure_all(true);
  return alone && push ? 0 : 1;
}
