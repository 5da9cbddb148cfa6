// When an X509-SVID is to be renewed, as one point in time: the rule of server-sync 5.1 with its jitter drawn once, so
// that nothing has to look at each SVID by the clock and renewals spread over a tenth of the lifetime. Pure.
#pragma once

#include "agent/spiffe/rotation_policy.h"

namespace steeple::agent {

runtime::WallTime rotation_time(runtime::WallTime not_before, runtime::WallTime not_after,
                                std::chrono::nanoseconds availability_target, const runtime::RandomUnit& random);

}  // namespace steeple::agent
