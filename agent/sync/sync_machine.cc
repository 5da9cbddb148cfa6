#include "agent/sync/sync_machine.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace steeple::agent {
namespace {

constexpr std::chrono::seconds kUnreachableWaitFirst{1};

runtime::Backoff::Limits backoff_limits(std::chrono::nanoseconds interval) {
  return {interval, std::min<std::chrono::nanoseconds>(kSyncBackoffMax, 48 * interval)};
}

}  // namespace

SyncMachine::SyncMachine(std::chrono::nanoseconds interval, runtime::RandomUnit random, runtime::SteadyTime now)
    : random_(random),
      backoff_(backoff_limits(interval), random, now),
      next_(now),
      started_at_(now),
      early_allowed_(now),
      early_paid_until_(now) {}

runtime::SteadyTime SyncMachine::next_start() const { return next_; }

bool SyncMachine::request_early(runtime::SteadyTime now) {
  if (failing()) return false;
  if (running_) {
    early_wanted_ = true;  // the pass under way may have asked the server too soon
    return true;
  }
  pass_early(now);
  return next_ <= now + kEarlySyncSpacing;
}

void SyncMachine::pass_early(runtime::SteadyTime now) {
  const runtime::SteadyTime start = std::max(now, early_allowed_);
  if (start >= next_) return;
  next_ = start;
  next_is_early_ = true;
}

void SyncMachine::started(runtime::SteadyTime now) {
  running_ = true;
  started_at_ = now;
  early_wanted_ = false;
  if (std::exchange(next_is_early_, false)) early_paid_until_ = std::max(early_paid_until_, now) + kEarlySyncPeriod;
  early_allowed_ = std::max(now + kEarlySyncSpacing, early_paid_until_ - (kEarlySyncBurst - 1) * kEarlySyncPeriod);
}

void SyncMachine::finished(PassResult result, runtime::SteadyTime now) {
  running_ = false;
  const std::chrono::nanoseconds rest = kEarlySyncShare * (now - started_at_);
  early_allowed_ = std::max(early_allowed_, now + std::min<std::chrono::nanoseconds>(rest, kEarlySyncPeriod));
  const bool ok = result == PassResult::kOk || result == PassResult::kOkWithoutSvids;
  const bool returned = ok && failures_ > 0;
  failures_ = ok ? 0 : failures_ + 1;
  if (returned) outage_over_ = now + kAfterOutage;
  if (ok) {
    next_ = now + good_wait(result, now);
    if (early_wanted_) pass_early(now);
  } else if (result == PassResult::kUnreachable) {
    next_ = now + unreachable_wait();
  } else {
    next_ = now + backoff_.next(now).value_or(kSyncBackoffMax);
  }
}

std::chrono::nanoseconds SyncMachine::good_wait(PassResult result, runtime::SteadyTime now) {
  backoff_.reset(now);
  std::chrono::nanoseconds wait = backoff_.next(now).value_or(kSyncBackoffMax);
  if (result == PassResult::kOkWithoutSvids) wait = std::min<std::chrono::nanoseconds>(wait, kSyncIntervalDefault);
  if (now < outage_over_) wait = std::min(wait, runtime::jittered(kAfterOutageWait, 0.1, random_));
  return wait;
}

std::chrono::nanoseconds SyncMachine::unreachable_wait() {
  using Seconds = std::chrono::duration<double>;
  const Seconds grown = std::pow(1.5, std::min(failures_ - 1, 20)) * Seconds(kUnreachableWaitFirst);
  const Seconds most = std::min<Seconds>(grown, kUnreachableWaitMax);
  const Seconds least = kUnreachableWaitMin;
  return std::chrono::duration_cast<std::chrono::nanoseconds>(least + (most - least) * random_());
}

}  // namespace steeple::agent
