#include "agent/spiffe/rotation_policy.h"

namespace steeple::agent {

using std::chrono::nanoseconds;

namespace {

constexpr double kHalfLifeJitter = 0.1;

nanoseconds drawn(const runtime::RandomUnit& random, nanoseconds from, nanoseconds width) {
  return from + nanoseconds(static_cast<std::int64_t>(random() * static_cast<double>(width.count())));
}

}  // namespace

bool RotationPolicy::past_jittered_half(nanoseconds left, nanoseconds lifetime) const {
  nanoseconds half = lifetime / 2;
  auto delta = nanoseconds(static_cast<std::int64_t>(static_cast<double>(half.count()) * kHalfLifeJitter));
  return left <= drawn(random_, half - delta, 2 * delta);
}

bool RotationPolicy::availability_target_ignored(nanoseconds lifetime) const {
  return availability_target_.count() != 0 && lifetime - availability_target_ <= kAvailabilityGraceMin;
}

bool RotationPolicy::should_rotate_x509(runtime::WallTime now, runtime::WallTime not_before,
                                        runtime::WallTime not_after) const {
  if (now >= not_after) return true;
  nanoseconds left = not_after - now;
  // A first second of the year 1 would overflow the difference.
  nanoseconds lifetime = not_before < runtime::WallTime() ? not_after.time_since_epoch() : not_after - not_before;
  if (availability_target_.count() != 0 && !availability_target_ignored(lifetime) &&
      left <= drawn(random_, availability_target_, kAvailabilityJitterMax)) {
    return true;
  }
  return past_jittered_half(left, lifetime);
}

bool RotationPolicy::should_renew_jwt(runtime::WallTime now, runtime::WallTime issued_at,
                                      runtime::WallTime expires_at) const {
  if (now >= expires_at) return true;
  return past_jittered_half(expires_at - now, expires_at - issued_at);
}

}  // namespace steeple::agent
