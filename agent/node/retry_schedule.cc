#include "agent/node/retry_schedule.h"

namespace steeple::agent {

namespace {

// The middle of the range, and how far the jitter reaches from it.
constexpr auto kUnreachableMiddle = (kUnreachableRetryMin + kUnreachableRetryMax) / 2;
constexpr double kUnreachableJitter =
    static_cast<double>((kUnreachableRetryMax - kUnreachableMiddle).count()) / kUnreachableMiddle.count();
static_assert(kUnreachableRetryMax < std::chrono::seconds(8),
              "the first entry must come within 8 s of the server's return");

}  // namespace

RetrySchedule::RetrySchedule(std::chrono::nanoseconds local_failure_max, runtime::RandomUnit random,
                             runtime::SteadyTime now)
    : local_failure_max_(local_failure_max),
      random_(random),
      backoff_({kRetryInitial, kRetryMax}, std::move(random), now) {}

std::optional<std::chrono::nanoseconds> RetrySchedule::next(RetryCause cause, runtime::SteadyTime now) {
  if (cause == RetryCause::kUnreachable) {
    local_since_.reset();
    backoff_.reset(now);
    return runtime::jittered(kUnreachableMiddle, kUnreachableJitter, random_);
  }
  if (cause == RetryCause::kLocal && !local_since_) {
    local_since_ = now;
    backoff_.reset(now);
  }
  if (cause == RetryCause::kRemote) local_since_.reset();
  std::optional<std::chrono::nanoseconds> wait = backoff_.next(now);
  bool give_up = wait && local_since_ && now - *local_since_ + *wait > local_failure_max_;
  return give_up ? std::nullopt : wait;
}

void RetrySchedule::reset(runtime::SteadyTime now) {
  local_since_.reset();
  backoff_.reset(now);
}

}  // namespace steeple::agent
