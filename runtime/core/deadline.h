// A point on the steady clock until which a wait may last. A value type; every wait takes one.
#pragma once

#include <chrono>

namespace steeple::runtime {

using SteadyTime = std::chrono::steady_clock::time_point;

class Deadline {
 public:
  constexpr Deadline() = default;  // never passes
  constexpr explicit Deadline(SteadyTime when) : when_(when) {}

  static constexpr Deadline never() { return {}; }
  static Deadline in(std::chrono::nanoseconds wait) { return after(std::chrono::steady_clock::now(), wait); }
  static constexpr Deadline after(SteadyTime now, std::chrono::nanoseconds wait) {
    return wait >= SteadyTime::max() - now ? Deadline() : Deadline(now + wait);
  }

  constexpr bool is_never() const { return when_ == SteadyTime::max(); }
  constexpr bool passed(SteadyTime now) const { return now >= when_; }
  constexpr SteadyTime when() const { return when_; }
  constexpr std::chrono::nanoseconds left(SteadyTime now) const {
    return passed(now) ? std::chrono::nanoseconds::zero() : when_ - now;
  }
  constexpr Deadline sooner(Deadline other) const { return when_ < other.when_ ? *this : other; }
  constexpr bool operator==(const Deadline&) const = default;

 private:
  SteadyTime when_ = SteadyTime::max();
};

}  // namespace steeple::runtime
