// Exponential back-off with jitter as the SPIRE agent draws it (server-sync 0.2): multiplier 1.5, +-10 %, jitter after
// the cap. Sans I/O: time comes in, the wait comes out; the owner's randomness is injected.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "runtime/core/deadline.h"

namespace steeple::runtime {

// Uniform in [0, 1).
using RandomUnit = std::function<double()>;
RandomUnit system_random_unit();

class Backoff {
 public:
  struct Limits {
    std::chrono::nanoseconds initial;
    std::chrono::nanoseconds max;
    std::chrono::nanoseconds max_elapsed{0};  // 0 = no end
  };
  Backoff(Limits limits, RandomUnit random, SteadyTime now);

  // The next wait, or nothing when max_elapsed would be exceeded.
  std::optional<std::chrono::nanoseconds> next(SteadyTime now);
  void reset(SteadyTime now);

 private:
  Limits limits_;
  RandomUnit random_;
  std::chrono::nanoseconds current_;
  SteadyTime started_;
};

// `wait` changed by a uniform draw within +-fraction.
std::chrono::nanoseconds jittered(std::chrono::nanoseconds wait, double fraction, const RandomUnit& random);

}  // namespace steeple::runtime
