#include "attestation/workload/k8s/fetch_policy.h"

#include <algorithm>
#include <utility>

namespace steeple::attestation {

using runtime::SteadyTime;

bool FetchPolicy::fresh(SteadyTime now) const { return index_from_ && now - *index_from_ < limits_.index_age; }

bool FetchPolicy::usable_in_outage(SteadyTime now) const {
  return index_from_ && now - *index_from_ < std::max<std::chrono::nanoseconds>(kStaleIndexAgeMax, limits_.index_age);
}

std::chrono::nanoseconds FetchPolicy::first_retry() const {
  return std::min<std::chrono::nanoseconds>(kFirstRetry, limits_.interval);
}

std::chrono::nanoseconds FetchPolicy::longest_retry(SteadyTime now) const {
  if (now >= eager_until_) return limits_.interval;
  return std::min<std::chrono::nanoseconds>(kEagerRetry, limits_.interval);
}

void FetchPolicy::miss(const std::string& container_id, SteadyTime now) {
  wanted_ = true;
  if (missed_.size() >= kMissesRememberedMax) missed_.clear();
  const auto [at, fresh_miss] = missed_.try_emplace(container_id, now);
  if (!last_failed_ && (fresh_miss || now - at->second >= kMissRemembered)) {
    delay_ = std::min(delay_, first_retry());
    anew_ = true;
    eager_until_ = now + kEagerTime;
  }
  at->second = now;
}

SteadyTime FetchPolicy::next_start(SteadyTime now) const { return started_ ? std::max(now, *started_ + delay_) : now; }

void FetchPolicy::started(SteadyTime now) {
  wanted_ = false;
  started_ = now;
  delay_ = std::exchange(anew_, false) ? first_retry() : std::clamp(delay_ * 2, first_retry(), longest_retry(now));
}

void FetchPolicy::finished(bool good, SteadyTime now) {
  last_failed_ = !good;
  if (good) {
    wanted_ = false;
    delay_ = std::max(delay_, std::min(2 * (now - *started_), limits_.interval));
    index_from_ = *started_;
    std::erase_if(missed_, [now](const auto& missed) { return now - missed.second >= kMissRemembered; });
  } else {
    delay_ = limits_.interval;  // upstream's pace: one that refuses is not asked more often
  }
}

std::int64_t PollAttempts::count(SteadyTime now) {
  attempts_ = std::min(attempts_ + 1, 1 + (now - began_) / interval_);
  return attempts_;
}

}  // namespace steeple::attestation
