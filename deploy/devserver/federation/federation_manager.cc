#include "deploy/devserver/federation/federation_manager.h"

#include "spire/api/types/federationrelationship.pb.h"

namespace steeple::devserver {

using runtime::Result;
using runtime::Task;

namespace {
constexpr std::chrono::seconds kReloadInterval{10};
}

FederationManager::FederationManager(runtime::Loop& loop, Options options, Datastore& datastore,
                                     const Authorities& authorities, const agent::TrustDomain& own,
                                     const runtime::Clock& clock, runtime::Logger log)
    : loop_(loop),
      options_(std::move(options)),
      datastore_(datastore),
      log_(std::move(log)),
      workers_(loop, kFederationWorkers, kFederationQueueMax),
      client_(loop, workers_),
      updater_(client_, datastore, authorities, own, clock),
      wake_(loop),
      tasks_(loop) {}

FederationTargets FederationManager::targets() const {
  FederationTargets targets = options_.configured;
  for (const auto& [name, relationship] : datastore_.relationships().all()) {
    auto target = target_of(*relationship);
    if (target) targets.try_emplace(name, std::move(*target));
  }
  return targets;
}

void FederationManager::take_targets() {
  RefreshSchedule::Changes changes = schedule_.set_targets(targets(), loop_.now());
  auto tell = [&](const std::vector<std::string>& names, std::string_view what) {
    for (const std::string& name : names) {
      const FederationTarget& target = *schedule_.find(name);
      log_.info(
          what,
          {{"trust_domain", name}, {"bundle_endpoint_url", target.url}, {"bundle_endpoint_profile", target.profile()}});
    }
  };
  tell(changes.added, "Trust domain is now managed");
  tell(changes.changed, "Updated configuration for managed trust domain");
  for (const std::string& name : changes.removed) {
    log_.info("Trust domain no longer managed", {{"trust_domain", name}});
  }
}

Task<BundleUpdate> FederationManager::update(const std::string& name, runtime::StopToken stop) {
  auto trust_domain = agent::TrustDomain::parse(name);
  FederationTarget target = *schedule_.find(name);
  log_.debug("Polling for bundle update", {{"trust_domain", name}});
  BundleUpdate outcome = co_await updater_.update(*trust_domain, std::move(target), stop);
  if (outcome.failed && !stop.stop_requested()) {
    log_.error("Error updating bundle", {{"trust_domain", name}, {"error", *outcome.failed}});
  }
  if (outcome.stored) log_.info("Bundle refreshed", {{"trust_domain", name}});
  co_return outcome;
}

Task<void> FederationManager::refresh_due(std::string name) {
  BundleUpdate outcome = co_await update(name, tasks_.token());
  const agent::Bundle* newest = outcome.stored ? &*outcome.stored : outcome.known ? &*outcome.known : nullptr;
  schedule_.finished(name, loop_.now() + refresh_delay(newest, options_.hint_min));
  wake_.notify();
}

Task<void> FederationManager::run() {
  while (!tasks_.closed()) {
    take_targets();
    for (std::string& name : schedule_.take_due(loop_.now())) tasks_.spawn(refresh_due(std::move(name)));
    runtime::SteadyTime next = schedule_.next(loop_.now() + kReloadInterval);
    // The deadline passing is the ordinary case.
    static_cast<void>(co_await wake_.wait(runtime::Deadline(next), tasks_.token()));
  }
}

Task<Result<bool>> FederationManager::refresh(const agent::TrustDomain& trust_domain, runtime::StopToken stop) {
  take_targets();
  wake_.notify();
  if (schedule_.find(trust_domain.name()) == nullptr) co_return false;
  BundleUpdate outcome = co_await update(trust_domain.name(), stop);
  if (outcome.failed) co_return std::move(*outcome.failed);
  co_return true;
}

Task<void> FederationManager::stop() {
  tasks_.close(runtime::StopReason::kShutdown);
  co_await tasks_.join();
}

}  // namespace steeple::devserver
