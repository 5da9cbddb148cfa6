// Which of 20,000 entries, with 4 selectors each, apply to a caller with 30 selectors.
// Best known: one hash look-up for each of the caller's selectors, 30 times 40 ns; comparing all entries in turn takes
// 2 ms.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "agent/entry/entry_index.h"

namespace {

using namespace steeple::agent;
using steeple::attestation::Selector;
using steeple::attestation::Selectors;

constexpr int kEntries = 20'000;

Selectors pod_selectors(int pod, int count) {
  std::vector<Selector> out = {{"k8s", "ns:production"},
                               {"k8s", fmt::format("sa:service-{}", pod % 200)},
                               {"k8s", fmt::format("pod-label:app:app-{}", pod)},
                               {"k8s", "container-name:main"}};
  for (int more = static_cast<int>(out.size()); more < count; ++more)
    out.emplace_back("k8s", fmt::format("pod-label:l{}:{}", more, pod));
  return Selectors(std::move(out));
}

const EntryIndex& full_index() {
  static const EntryIndex* index = [] {
    auto* made = new EntryIndex;
    for (int number = 0; number < kEntries; ++number)
      made->add(std::make_shared<const RegistrationEntry>(
          fmt::format("entry-{:08}", number), *SpiffeId::parse(fmt::format("spiffe://example.org/app/{}", number)),
          pod_selectors(number, 4)));
    return made;
  }();
  return *index;
}

void match_of_20000_entries(benchmark::State& state) {
  const EntryIndex& index = full_index();
  const Selectors caller = pod_selectors(4711, 30);
  if (index.match(caller).size() != 1) std::abort();
  for (auto _ : state) benchmark::DoNotOptimize(index.match(caller));
}
BENCHMARK(match_of_20000_entries);

}  // namespace
