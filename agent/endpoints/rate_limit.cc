#include "agent/endpoints/rate_limit.h"

#include <algorithm>

namespace steeple::agent {

using attestation::Selectors;
using runtime::SteadyTime;

namespace {

constexpr std::chrono::minutes kGeneration{1};

}  // namespace

RateLimiter::RateLimiter(const runtime::Clock& clock, const std::vector<MethodLimit>& limits,
                         const runtime::Logger& log)
    : clock_(&clock) {
  runtime::Logger endpoints = log.with_subsystem("endpoints");
  for (const MethodLimit& limit : limits) {
    if (limit.per_second <= 0) continue;
    limits_.push_back({limit.method, static_cast<double>(limit.per_second), {}, {}, clock.now()});
    endpoints.info("Workload API/SDS rate limiting enabled", {{"limit", limit.per_second}, {"method", limit.method}});
  }
}

// Two generations: a bucket that is used moves to the current one; the previous one is dropped when the next begins.
RateLimiter::Bucket& RateLimiter::bucket(Limit& limit, const Selectors& caller, SteadyTime now) {
  if (now - limit.turned >= kGeneration || limit.current.size() >= kRateBucketsMax) {
    bool idle = now - limit.turned >= 2 * kGeneration;
    limit.previous = idle ? Buckets() : std::move(limit.current);
    limit.current.clear();
    limit.turned = now;
  }
  if (auto at = limit.current.find(caller); at != limit.current.end()) return at->second;
  if (auto node = limit.previous.extract(caller)) return limit.current.insert(std::move(node)).position->second;
  return limit.current.emplace(caller, Bucket{limit.per_second, now}).first->second;
}

bool RateLimiter::allow(std::string_view method, const Selectors& caller) {
  auto limit =
      std::find_if(limits_.begin(), limits_.end(), [&](const Limit& candidate) { return candidate.method == method; });
  if (limit == limits_.end()) return true;
  SteadyTime now = clock_->now();
  Bucket& own = bucket(*limit, caller, now);
  double seconds = std::chrono::duration<double>(now - own.filled).count();
  own.tokens = std::min(limit->per_second, own.tokens + seconds * limit->per_second);
  own.filled = now;
  if (own.tokens < 1.0) {
    if (refused_) refused_(limit->method);
    return false;
  }
  own.tokens -= 1.0;
  return true;
}

}  // namespace steeple::agent
