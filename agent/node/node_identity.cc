#include "agent/node/node_identity.h"

#include "agent/node/node_identity_impl.h"

namespace steeple::agent {

using runtime::Certificates;
using runtime::Error;
using runtime::Result;

namespace {

NodeIdentityOptions with_defaults(NodeIdentityOptions options) {
  if (!options.random) options.random = runtime::system_random_unit();
  return options;
}

}  // namespace

NodeIdentity::Impl::Impl(runtime::Loop& loop, const runtime::Clock& clock, Storage& storage, KeyManager& keys,
                         attestation::NodeAttestor& attestor, BundleSource& source, AttestationChannelFactory channels,
                         NodeIdentityOptions options, runtime::Logger log)
    : loop_(loop),
      clock_(clock),
      storage_(storage),
      keys_(keys),
      attestor_(attestor),
      source_(source),
      channels_(std::move(channels)),
      options_(with_defaults(std::move(options))),
      log_(log),
      attestor_log_(log.with_subsystem("attestor")),
      manager_log_(log.with_subsystem("manager")),
      sources_log_(log.with({{"Logger", "TrustBundleSources"}})),
      wanted_(storage.data()),
      progress_(wanted_.bootstrap, !wanted_.bundle.empty()),
      mode_(options_.rebootstrap_mode),
      policy_(options_.availability_target, options_.random),
      untrusted_schedule_(kLocalFailureMax, options_.random, clock.now()),
      wake_(loop) {}

Certificates NodeIdentity::Impl::authorities() const { return bundle_ ? bundle_->certificates() : Certificates(); }

void NodeIdentity::Impl::adopt(SharedAgentSvid svid) {
  svid_ = std::move(svid);
  tainted_ = false;
  ++rotations_;
  wanted_.svid = svid_->chain();
  wanted_.reattestable = svid_->reattestable();
  save();
}

void NodeIdentity::Impl::remember_authorities(const Certificates& authorities) {
  Bundle bundle(options_.trust_domain);
  for (const runtime::Certificate& authority : authorities) bundle.add_x509_authority(authority);
  set_bundle(std::make_shared<const Bundle>(std::move(bundle)));
}

void NodeIdentity::Impl::set_bundle(SharedBundle bundle) {
  // A good bundle is never replaced by an empty one: without authorities no server could be trusted any more.
  if (!bundle || bundle->x509_authorities().empty()) return;
  wanted_.bundle = bundle->certificates();
  bundle_ = std::move(bundle);
  save();
}

void NodeIdentity::Impl::drop_svid() {
  svid_.reset();
  tainted_ = false;
  wanted_.svid.clear();
  wanted_.reattestable = false;
  save();
}

void NodeIdentity::Impl::note_progress_success() {
  sources_log_.info(progress_.success_text(clock_.wall_now()));
  progress_.succeed();
  sources_log_.info("Setting use.");
  save();
}

void NodeIdentity::Impl::note_sync_success() {
  untrusted_schedule_.reset(clock_.now());
  if (progress_.clock_runs()) note_progress_success();
}

void NodeIdentity::Impl::note_tainted(const Certificates& authorities) {
  if (!svid_) return;
  if (tainted_) {
    manager_log_.debug("Agent SVID already tainted");
    return;
  }
  if (!is_signed_by_any(*svid_, authorities, clock_.wall_now())) return;
  manager_log_.info("Agent SVID is tainted by a root authority, forcing rotation");
  tainted_ = true;
  wake_.notify();
}

void NodeIdentity::Impl::save() {
  wanted_.bootstrap = progress_.state();
  tell_bootstrap();
  if (wanted_ == storage_.data()) return;
  Result<void> stored = storage_.store(wanted_);
  if (stored) {
    save_failure_.clear();
  } else {
    log_save_failure(stored.error());
  }
}

void NodeIdentity::Impl::tell_bootstrap() {
  if (!options_.events.bootstrap_changed || told_bootstrap_ == progress_.state()) return;
  told_bootstrap_ = progress_.state();
  options_.events.bootstrap_changed(progress_.state());
}

void NodeIdentity::Impl::log_save_failure(const Error& error) {
  if (save_failure_ == error.message()) return;
  save_failure_ = error.message();
  const AgentData& on_disk = storage_.data();
  if (wanted_.svid != on_disk.svid) {
    if (wanted_.svid.empty()) {
      manager_log_.error("Failed to remove SVID", {{"error", error}});
    } else {
      manager_log_.warning("Could not store SVID", {{"error", error}});
    }
  } else if (wanted_.bundle != on_disk.bundle) {
    manager_log_.error("Could not store bundle", {{"error", error}});
  } else {
    manager_log_.error("Could not store bootstrap state", {{"error", error}});
  }
}

runtime::Task<Result<void>> NodeIdentity::Impl::pause(std::chrono::nanoseconds wait, runtime::StopToken stop) {
  if (options_.pause) co_return co_await options_.pause(wait, stop);
  Result<void> woken = co_await wake_.wait(runtime::Deadline::in(wait), stop);
  if (!woken && stop.stop_requested()) co_return stop.error();
  co_return Result<void>();
}

NodeIdentity::NodeIdentity(runtime::Loop& loop, const runtime::Clock& clock, Storage& storage, KeyManager& keys,
                           attestation::NodeAttestor& attestor, BundleSource& bundle_source,
                           AttestationChannelFactory channels, NodeIdentityOptions options, runtime::Logger log)
    : impl_(std::make_unique<Impl>(loop, clock, storage, keys, attestor, bundle_source, std::move(channels),
                                   std::move(options), std::move(log))) {}

NodeIdentity::~NodeIdentity() = default;

runtime::Task<Result<void>> NodeIdentity::establish(runtime::StopToken stop) { return impl_->establish(stop); }

runtime::Task<ServerResult<void>> NodeIdentity::rotate_until_stopped(ServerClient& server, runtime::StopToken stop) {
  return impl_->rotate_until_stopped(server, stop);
}

runtime::Task<Result<void>> NodeIdentity::recover(ServerError failure, SyncPhase phase, ServerClient& server,
                                                  runtime::StopToken stop) {
  return impl_->recover(std::move(failure), phase, server, stop);
}

void NodeIdentity::set_bundle(SharedBundle bundle) { impl_->set_bundle(std::move(bundle)); }
void NodeIdentity::note_sync_success() { impl_->note_sync_success(); }
void NodeIdentity::note_tainted(const Certificates& authorities) { impl_->note_tainted(authorities); }
void NodeIdentity::drop_svid() { impl_->drop_svid(); }
const SharedAgentSvid& NodeIdentity::svid() const { return impl_->svid(); }
const SharedBundle& NodeIdentity::bundle() const { return impl_->bundle(); }
const BootstrapState& NodeIdentity::bootstrap_state() const { return impl_->bootstrap_state(); }
std::uint64_t NodeIdentity::rotations() const { return impl_->rotations(); }

runtime::IdentityProvider NodeIdentity::identity_provider() {
  return [impl = impl_.get()]() -> std::optional<runtime::TlsIdentity> {
    if (!impl->svid()) return std::nullopt;
    return impl->svid()->tls_identity();
  };
}

AuthoritiesProvider NodeIdentity::authorities_provider() {
  return [impl = impl_.get()] { return impl->authorities(); };
}

}  // namespace steeple::agent
