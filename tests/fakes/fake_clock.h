// A clock whose wall time the test moves. Steady time is real by default, since real timers wait for it.
#pragma once

#include <optional>

#include "runtime/core/clock.h"

namespace steeple::tests {

class FakeClock final : public runtime::Clock {
 public:
  runtime::SteadyTime now() const override { return steady_ ? *steady_ : std::chrono::steady_clock::now(); }
  runtime::WallTime wall_now() const override { return wall_; }
  void set_wall(runtime::WallTime time) { wall_ = time; }
  void advance_wall(std::chrono::nanoseconds by) {
    wall_ += std::chrono::duration_cast<runtime::WallTime::duration>(by);
  }
  void set_steady(runtime::SteadyTime time) { steady_ = time; }
  void advance_steady(std::chrono::nanoseconds by) { steady_ = now() + by; }

 private:
  std::optional<runtime::SteadyTime> steady_;
  runtime::WallTime wall_ = std::chrono::system_clock::now();
};

}  // namespace steeple::tests
