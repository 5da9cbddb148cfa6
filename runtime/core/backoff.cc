#include "runtime/core/backoff.h"

#include <cmath>
#include <random>

namespace steeple::runtime {
namespace {

constexpr double kJitter = 0.1;
constexpr double kMultiplier = 1.5;

}  // namespace

RandomUnit system_random_unit() {
  return [engine = std::mt19937_64(std::random_device()())]() mutable {
    return std::uniform_real_distribution<double>(0.0, 1.0)(engine);
  };
}

std::chrono::nanoseconds jittered(std::chrono::nanoseconds wait, double fraction, const RandomUnit& random) {
  double factor = 1.0 - fraction + 2.0 * fraction * random();
  return std::chrono::nanoseconds(std::llround(static_cast<double>(wait.count()) * factor));
}

Backoff::Backoff(Limits limits, RandomUnit random, SteadyTime now)
    : limits_(limits), random_(std::move(random)), current_(limits.initial), started_(now) {}

std::optional<std::chrono::nanoseconds> Backoff::next(SteadyTime now) {
  // The jitter comes after the cap, so a wait may exceed `max` by a tenth, as upstream's does.
  std::chrono::nanoseconds wait = jittered(current_, kJitter, random_);
  auto grown = static_cast<double>(current_.count()) * kMultiplier;
  bool capped = grown >= static_cast<double>(limits_.max.count());
  current_ = capped ? limits_.max : std::chrono::nanoseconds(static_cast<std::int64_t>(grown));
  if (limits_.max_elapsed.count() > 0 && now - started_ + wait > limits_.max_elapsed) return std::nullopt;
  return wait;
}

void Backoff::reset(SteadyTime now) {
  current_ = limits_.initial;
  started_ = now;
}

}  // namespace steeple::runtime
