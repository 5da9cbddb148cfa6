// What the endpoints ask of the rest of the agent: the identities of a caller with these selectors, now and as they
// change. Implemented in agent/sync over the cache; faked in tests. I/O thread only.
#pragma once

#include <memory>
#include <vector>

#include "agent/entry/registration_entry.h"
#include "agent/spiffe/bundle.h"
#include "attestation/selector/selector.h"
#include "runtime/core/deadline.h"
#include "runtime/core/result.h"
#include "runtime/task/stop_token.h"
#include "runtime/task/task.h"

namespace steeple::agent {

class WorkloadUpdate;  // agent/cache/workload_update.h: an immutable snapshot, encoded once for all who receive the
                       // same

// Unsubscribes when destroyed.
class Subscription {
 public:
  virtual ~Subscription() = default;
  // The newest snapshot not seen yet; waits for one. An update without identities means: no entry matches.
  virtual runtime::Task<runtime::Result<std::shared_ptr<const WorkloadUpdate>>> next(runtime::Deadline deadline,
                                                                                     runtime::StopToken stop) = 0;
};

class IdentitySource {
 public:
  virtual ~IdentitySource() = default;

  // Waits for the first sync after a start (at most 30 s, then kUnavailable); when no entry matches, asks for an early
  // sync, and looks again after it if the limit allows one soon (sync_machine.h). The subscription's first update comes
  // once every matching entry has its SVID.
  virtual runtime::Task<runtime::Result<std::unique_ptr<Subscription>>> subscribe(attestation::Selectors selectors,
                                                                                  runtime::Deadline deadline,
                                                                                  runtime::StopToken stop) = 0;

  // The entries of such a caller, by entry id, whether or not their SVIDs are there. Waits as subscribe() does, but not
  // for signing.
  virtual runtime::Task<runtime::Result<std::vector<SharedEntry>>> matching_entries(attestation::Selectors selectors,
                                                                                    runtime::Deadline deadline,
                                                                                    runtime::StopToken stop) = 0;
  // The own bundle first, then those that the caller's identities federate with. Waits for the first sync only.
  virtual runtime::Task<runtime::Result<std::vector<SharedBundle>>> bundles_of(attestation::Selectors selectors,
                                                                               runtime::Deadline deadline,
                                                                               runtime::StopToken stop) = 0;
};

}  // namespace steeple::agent
