// Time that stands still until a test moves it.
#pragma once

#include "runtime/core/clock.h"

class ManualClock final : public steeple::runtime::Clock {
 public:
  steeple::runtime::SteadyTime now() const override { return {}; }
  steeple::runtime::WallTime wall_now() const override { return now_; }
  void advance(std::chrono::seconds by) { now_ += by; }

 private:
  steeple::runtime::WallTime now_{std::chrono::seconds(1'800'000'000)};
};
