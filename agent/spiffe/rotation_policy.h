// When to renew an SVID (server-sync 5.1 and 5.2): half of its life with jitter drawn at each check, or the
// availability target. Sans I/O; the randomness is injected.
#pragma once

#include <chrono>
#include <functional>

#include "runtime/core/backoff.h"
#include "runtime/core/clock.h"

namespace steeple::agent {

inline constexpr std::chrono::hours kAvailabilityGraceMin{12};
inline constexpr std::chrono::minutes kAvailabilityJitterMax{10};

class RotationPolicy {
 public:
  // A target of 0 is none.
  RotationPolicy(std::chrono::nanoseconds availability_target, runtime::RandomUnit random)
      : availability_target_(availability_target), random_(std::move(random)) {}

  bool should_rotate_x509(runtime::WallTime now, runtime::WallTime not_before, runtime::WallTime not_after) const;
  bool should_renew_jwt(runtime::WallTime now, runtime::WallTime issued_at, runtime::WallTime expires_at) const;
  // The target cannot be met by SVIDs of this lifetime; each issuance says so in the log.
  bool availability_target_ignored(std::chrono::nanoseconds lifetime) const;

 private:
  bool past_jittered_half(std::chrono::nanoseconds left, std::chrono::nanoseconds lifetime) const;
  std::chrono::nanoseconds availability_target_;
  runtime::RandomUnit random_;
};

}  // namespace steeple::agent
