#include "runtime/os/heap.h"

#include <catch2/catch.hpp>

using steeple::runtime::HeapTrimRule;

TEST_CASE("HeapTrimRule asks once when three quarters have gone") {
  HeapTrimRule rule;
  for (std::size_t open = 1; open <= 8000; ++open) REQUIRE_FALSE(rule.note(open));
  std::size_t trims = 0, first_at = 0;
  for (std::size_t open = 8000; open-- > 0;) {
    if (!rule.note(open)) continue;
    if (trims++ == 0) first_at = open;
  }
  CHECK(first_at == 2000);
  CHECK(trims == 4);  // 2000, 500, 125 and 31
}

TEST_CASE("HeapTrimRule leaves a few connections alone") {
  HeapTrimRule rule;
  for (int round = 0; round < 100; ++round) {
    for (std::size_t open = 0; open < HeapTrimRule::kWorthwhile; ++open) REQUIRE_FALSE(rule.note(open));
    REQUIRE_FALSE(rule.note(0));
  }
}
