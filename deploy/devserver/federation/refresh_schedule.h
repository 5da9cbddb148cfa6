// Which trust domains' bundles are refreshed when, sans I/O: targets, results and times in, what is due out. A target
// that is new or was changed is due at once; one that is being refreshed is not due again until that ended.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "deploy/devserver/federation/relationship.h"
#include "runtime/core/clock.h"

namespace steeple::devserver {

class RefreshSchedule {
 public:
  struct Changes {
    std::vector<std::string> added;
    std::vector<std::string> changed;
    std::vector<std::string> removed;
  };
  Changes set_targets(const FederationTargets& targets, runtime::SteadyTime now);
  const FederationTarget* find(const std::string& trust_domain) const;

  // Those whose time has come; each counts as running from now on.
  std::vector<std::string> take_due(runtime::SteadyTime now);
  // The refresh of `trust_domain` ended; it may be gone by now.
  void finished(const std::string& trust_domain, runtime::SteadyTime next);
  runtime::SteadyTime next(runtime::SteadyTime latest) const;  // earliest of those not running, at most `latest`

 private:
  struct Item {
    FederationTarget target;
    runtime::SteadyTime due;
    bool running = false;
    bool again = false;  // changed while running
  };
  std::map<std::string, Item> items_;
};

}  // namespace steeple::devserver
