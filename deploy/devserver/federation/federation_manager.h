// Keeps the bundles of the trust domains that the server federates with fresh: those of server.conf (they win) and
// those of the API. Each is refreshed at a quarter of its bundle's hint. Owned by the server: run() in a group that is
// joined after stop(). I/O thread only.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "deploy/devserver/federation/bundle_updater.h"
#include "deploy/devserver/federation/refresh_schedule.h"
#include "runtime/core/log.h"
#include "runtime/task/signal.h"
#include "runtime/task/task_group.h"

namespace steeple::devserver {

inline constexpr unsigned kFederationWorkers = 2;
inline constexpr std::size_t kFederationQueueMax = 1'000;

class FederationManager {
 public:
  struct Options {
    FederationTargets configured;
    std::chrono::seconds hint_min = kRefreshHintMin;
  };
  FederationManager(runtime::Loop& loop, Options options, Datastore& datastore, const Authorities& authorities,
                    const agent::TrustDomain& own, const runtime::Clock& clock, runtime::Logger log);

  runtime::Task<void> run();         // until stop()
  runtime::Task<void> stop();        // ends running requests and joins them
  void reload() { wake_.notify(); }  // relationships were changed

  // Refreshes now. False: there is no relationship with the trust domain.
  runtime::Task<runtime::Result<bool>> refresh(const agent::TrustDomain& trust_domain, runtime::StopToken stop);

 private:
  FederationTargets targets() const;
  void take_targets();
  runtime::Task<void> refresh_due(std::string name);
  runtime::Task<BundleUpdate> update(const std::string& name, runtime::StopToken stop);

  runtime::Loop& loop_;
  Options options_;
  Datastore& datastore_;
  runtime::Logger log_;
  runtime::WorkerPool workers_;  // their own: an endpoint that hangs delays no signature
  runtime::HttpClient client_;
  BundleUpdater updater_;
  RefreshSchedule schedule_;
  runtime::Signal wake_;
  runtime::TaskGroup tasks_;
};

}  // namespace steeple::devserver
