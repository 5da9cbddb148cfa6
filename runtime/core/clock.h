// Time as an interface, so that tests move it by hand. Implementations are read from the I/O thread only.
#pragma once

#include <chrono>

#include "runtime/core/deadline.h"

namespace steeple::runtime {

using WallTime = std::chrono::system_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime now() const = 0;
  virtual WallTime wall_now() const = 0;
};

class SystemClock final : public Clock {
 public:
  SteadyTime now() const override { return std::chrono::steady_clock::now(); }
  WallTime wall_now() const override { return std::chrono::system_clock::now(); }
};

}  // namespace steeple::runtime
