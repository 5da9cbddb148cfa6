#include "agent/sync/rotation_schedule.h"

#include <algorithm>

namespace steeple::agent {
namespace {

using Nanoseconds = std::chrono::nanoseconds;

Nanoseconds share_of(Nanoseconds whole, double share) {
  return Nanoseconds(static_cast<Nanoseconds::rep>(static_cast<double>(whole.count()) * share));
}

}  // namespace

runtime::WallTime rotation_time(runtime::WallTime not_before, runtime::WallTime not_after,
                                Nanoseconds availability_target, const runtime::RandomUnit& random) {
  const Nanoseconds lifetime = not_after - not_before;
  Nanoseconds left = share_of(lifetime / 2, 0.9 + 0.2 * random());
  if (availability_target > Nanoseconds::zero() && lifetime - availability_target > kAvailabilityGraceMin) {
    left = std::max(left, availability_target + share_of(kAvailabilityJitterMax, random()));
  }
  return not_after - std::chrono::duration_cast<runtime::WallTime::duration>(left);
}

}  // namespace steeple::agent
