// The bundles the agent knows, kept from one sync to the next, and what changed (server-sync 3.5, 4.3 step 1). The own
// trust domain is never dropped. I/O thread only.
#pragma once

#include <vector>

#include "agent/spiffe/bundle.h"
#include "runtime/core/log.h"

namespace steeple::agent {

class BundleChanges {
 public:
  bool own_changed = false;
  std::vector<TrustDomain> federated_changed;  // new or different; sorted
  std::vector<TrustDomain> federated_removed;  // sorted
  bool empty() const { return !own_changed && federated_changed.empty() && federated_removed.empty(); }
};

class BundleCache {
 public:
  explicit BundleCache(runtime::Logger log) : log_(std::move(log)) {}

  // A set without an own bundle keeps the one there is. Bundles equal to the known ones keep their object.
  BundleChanges update(const BundleSet& update);
  const BundleSet& bundles() const { return bundles_; }

 private:
  BundleSet bundles_;
  runtime::Logger log_;
};

}  // namespace steeple::agent
