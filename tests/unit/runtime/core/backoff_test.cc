#include "runtime/core/backoff.h"

#include <catch2/catch.hpp>

using namespace steeple::runtime;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

namespace {
RandomUnit always(double value) {
  return [value] { return value; };
}
}  // namespace

TEST_CASE("Backoff grows by half up to its maximum") {
  SteadyTime now;
  Backoff backoff({5s, 12s}, always(0.5), now);
  CHECK(backoff.next(now) == 5s);
  CHECK(backoff.next(now) == 7500ms);
  CHECK(backoff.next(now) == 11250ms);
  CHECK(backoff.next(now) == 12s);
  CHECK(backoff.next(now) == 12s);
  backoff.reset(now);
  CHECK(backoff.next(now) == 5s);
}

TEST_CASE("Backoff draws within a tenth of the wait, after the cap") {
  SteadyTime now;
  CHECK(Backoff({10s, 10s}, always(0.0), now).next(now) == 9s);
  Backoff high({10s, 10s}, always(0.999999), now);
  CHECK(*high.next(now) > 10990ms);
  CHECK(*high.next(now) < 11s);
}

TEST_CASE("Backoff ends when the next wait would exceed the elapsed limit") {
  SteadyTime start;
  SteadyTime now = start;
  Backoff backoff({5s, 2min, 60s}, always(0.5), start);
  int waits = 0;
  while (auto wait = backoff.next(now)) {
    now += *wait;
    ++waits;
  }
  CHECK(waits == 4);  // 5, 7.5, 11.25, 16.9 s; the fifth, 25 s, would pass a minute
  backoff.reset(now);
  CHECK(backoff.next(now) == 5s);
}

TEST_CASE("system_random_unit stays within its range") {
  RandomUnit random = system_random_unit();
  for (int i = 0; i < 1000; ++i) {
    double value = random();
    CHECK((value >= 0.0 && value < 1.0));
  }
}
