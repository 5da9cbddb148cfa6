#include "attestation/workload/k8s/fetch_policy.h"

#include <catch2/catch.hpp>

using namespace steeple::attestation;
using steeple::runtime::SteadyTime;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

namespace {

const SteadyTime start{1000s};
FetchPolicy policy_of(std::chrono::nanoseconds interval = 500ms) { return FetchPolicy({interval, 5s}); }

// One fetch that ends at once; says how long after `now` it began.
std::chrono::nanoseconds fetch(FetchPolicy& policy, const std::string& id, SteadyTime& now, bool good) {
  policy.miss(id, now);
  const auto wait = policy.next_start(now) - now;
  now += wait;
  policy.started(now);
  policy.finished(good, now);
  return wait;
}

}  // namespace

TEST_CASE("A miss asks at once, then after 50 ms, every 80 ms for three seconds, then doubling to the interval") {
  FetchPolicy policy = policy_of();
  SteadyTime now = start;
  CHECK_FALSE(policy.wanted());
  CHECK(fetch(policy, "c", now, true) == 0ms);
  CHECK(fetch(policy, "c", now, true) == 50ms);
  while (now < start + kEagerTime) CHECK(fetch(policy, "c", now, true) == 80ms);
  for (auto wait : {160ms, 320ms, 500ms, 500ms}) CHECK(fetch(policy, "c", now, true) == wait);
}

TEST_CASE("A waiter's attempts take the time they take with a request in each interval") {
  FetchPolicy policy = policy_of();
  SteadyTime now = start;
  PollAttempts attempts(500ms, now);
  std::int64_t last = 0;
  int answers = 0;
  while (last < 60) {
    fetch(policy, "c", now, true);
    const std::int64_t attempt = attempts.count(now);
    CHECK((attempt == last || attempt == last + 1));
    last = attempt;
    ++answers;
  }
  CHECK(now - start >= 29500ms);
  CHECK(now - start <= 30s);
  CHECK(answers > 80);
}

TEST_CASE("A kubelet that hangs uses up one attempt an answer") {
  PollAttempts attempts(500ms, start);
  for (int i = 1; i <= 5; ++i) CHECK(attempts.count(start + i * 10s) == i);
}

TEST_CASE("A kubelet that takes long to answer is left alone for as long again") {
  FetchPolicy policy = policy_of();
  policy.miss("c", start);
  policy.started(start);
  policy.finished(true, start + 120ms);
  CHECK(policy.next_start(start + 120ms) == start + 240ms);
  policy.started(start + 240ms);
  policy.finished(true, start + 3s);
  CHECK(policy.next_start(start + 240ms) == start + 740ms);
}

TEST_CASE("The answer to a request under way serves who comes meanwhile; a failure does not") {
  FetchPolicy policy = policy_of();
  policy.miss("a", start);
  policy.started(start);
  policy.miss("b", start + 10ms);
  CHECK(policy.wanted());
  policy.finished(true, start + 20ms);
  CHECK_FALSE(policy.wanted());
  policy.miss("b", start + 20ms);  // it was not in the answer
  CHECK(policy.next_start(start + 20ms) == start + 50ms);
  policy.started(start + 50ms);
  policy.miss("c", start + 60ms);
  policy.finished(false, start + 70ms);
  CHECK(policy.wanted());
}

TEST_CASE("Another container's miss starts anew, one remembered does not") {
  FetchPolicy policy = policy_of();
  SteadyTime now = start;
  while (now < start + kEagerTime + 2s) fetch(policy, "slow", now, true);
  CHECK(fetch(policy, "slow", now, true) == 500ms);
  CHECK(fetch(policy, "new", now, true) == 50ms);
  const SteadyTime second = now;
  while (now < second + kEagerTime + 2s) fetch(policy, "slow", now, true);
  CHECK(fetch(policy, "new", now, true) == 500ms);
  now += kMissRemembered;
  CHECK(fetch(policy, "new", now, true) == 0ms);
  CHECK(fetch(policy, "new", now, true) == 50ms);
}

TEST_CASE("A kubelet that refuses is asked once an interval, whoever comes") {
  FetchPolicy policy = policy_of();
  SteadyTime now = start;
  fetch(policy, "a", now, false);
  CHECK(policy.in_outage());
  for (int i = 0; i < 20; ++i) CHECK(fetch(policy, "x" + std::to_string(i), now, false) == 500ms);
  CHECK(fetch(policy, "a", now, true) == 500ms);
  CHECK_FALSE(policy.in_outage());
}

TEST_CASE("An index is fresh from the start of its request, and of use for longer in an outage") {
  FetchPolicy policy = policy_of();
  CHECK_FALSE(policy.fresh(start));
  policy.miss("a", start);
  policy.started(start);
  CHECK_FALSE(policy.wanted());
  policy.finished(true, start + 1s);
  CHECK(policy.fresh(start + 4999ms));
  CHECK_FALSE(policy.fresh(start + 5s));
  policy.started(start + 6s);
  policy.finished(false, start + 7s);
  CHECK(policy.usable_in_outage(start + 7s));
  CHECK_FALSE(policy.usable_in_outage(start + kStaleIndexAgeMax));
}

TEST_CASE("An interval shorter than the first retry is kept") {
  FetchPolicy policy = policy_of(10ms);
  SteadyTime now = start;
  CHECK(fetch(policy, "c", now, true) == 0ms);
  CHECK(fetch(policy, "c", now, true) == 10ms);
  CHECK(fetch(policy, "c", now, true) == 10ms);
}

TEST_CASE("Remembered misses are bounded") {
  FetchPolicy policy = policy_of();
  for (std::size_t i = 0; i < 3 * kMissesRememberedMax; ++i) policy.miss(std::to_string(i), start);
  CHECK(policy.wanted());
  CHECK(policy.next_start(start) == start);
}
