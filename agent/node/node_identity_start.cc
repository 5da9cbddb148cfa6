// The start of an agent's identity: bundle, then the stored SVID or node attestation, again and again
// (server-sync 1.4, 2.1).
#include "agent/node/node_identity_impl.h"

namespace steeple::agent {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

runtime::Task<Result<void>> NodeIdentity::Impl::establish(runtime::StopToken stop) {
  tell_bootstrap();
  STEEPLE_CO_CHECK(check_mode());
  RetrySchedule schedule(local_failure_max(), options_.random, clock_.now());
  for (;;) {
    if (stop.stop_requested()) co_return stop.error();
    AttestationResult<void> attempt = co_await attempt_start(stop);
    if (attempt) break;
    if (stop.stop_requested()) co_return stop.error();
    AttestationError& error = attempt.error();
    if (error.error_class() == ServerErrorClass::kUnknownAuthority) note_untrusted_at_start();
    if (error.denied()) co_return Error(error);
    std::optional<std::chrono::nanoseconds> wait = schedule.next(error.cause(), clock_.now());
    if (!wait) co_return Error(error);
    log_.warning("Failed to retrieve attestation result", {{"error", error}, {"retry_interval", *wait}});
    STEEPLE_CO_CHECK(co_await pause(*wait, stop));
  }
  note_progress_success();
  co_return check_mode();
}

std::chrono::nanoseconds NodeIdentity::Impl::local_failure_max() const {
  if (mode_ == RebootstrapMode::kNever) return kLocalFailureMax;
  return kLocalFailureMaxRebootstrap;
}

// Before the first attempt, of what is stored; after the start, of what was agreed.
Result<void> NodeIdentity::Impl::check_mode() {
  STEEPLE_TRY(checked, check_rebootstrap_mode(mode_, !wanted_.svid.empty(), wanted_.reattestable));
  mode_ = checked.mode;
  if (checked.downgraded) log_.warning(std::string(kRebootstrapNotAllowed) + ". Disabling");
  return {};
}

runtime::Task<AttestationResult<void>> NodeIdentity::Impl::attempt_start(runtime::StopToken stop) {
  STEEPLE_CO_TRY(trust, co_await find_trust(stop));
  runtime::Logger log = attestor_log_;
  if (trust) {
    log = attestor_log_.with({{"trust_domain_id", options_.trust_domain.id_string()}});
    log.info("Bundle loaded");
  } else {
    log.info("Bundle is not found");
  }
  bool usable = false;
  std::optional<ManagedKey> key = examine_disk(usable);
  if (usable) co_return co_await load_stored(std::move(*key), std::move(trust), std::move(log), stop);
  log.info("SVID is not found. Starting node attestation");
  co_return co_await attest_first(std::move(key), std::move(trust), std::move(log), stop);
}

runtime::Task<AttestationResult<ServerTrust>> NodeIdentity::Impl::find_trust(runtime::StopToken stop) {
  if (!wanted_.bundle.empty()) co_return ServerTrust(wanted_.bundle);
  progress_.begin_attempt(clock_.wall_now());
  save();
  if (source_.announces_attempts()) sources_log_.info(progress_.attempt_text());
  Result<ServerTrust> trust = co_await source_.read(progress_.state(), stop);
  if (!trust) co_return AttestationError(ServerError(std::move(trust.error())), RetryCause::kRemote);
  if (*trust && (*trust)->empty()) {
    co_return AttestationError(ServerError(Error(ErrorCode::kNotFound, "load bundle: no certs in bundle")),
                               RetryCause::kRemote);
  }
  co_return std::move(*trust);
}

// What data_dir and key manager hold. The key is that of the stored SVID, if there is one.
std::optional<ManagedKey> NodeIdentity::Impl::examine_disk(bool& usable) {
  if (wanted_.svid.empty()) {
    attestor_log_.debug("No pre-existing agent SVID found. Will perform node attestation");
  }
  StoredIdentity stored = examine_stored(wanted_.svid, keys_, clock_.wall_now());
  std::string_view warning = warning_of(stored.finding);
  if (stored.finding == StoredIdentity::Finding::kExpired) {
    attestor_log_.warning(warning, {{"expiry", wanted_.svid.front().not_after()}});
  } else if (!warning.empty()) {
    attestor_log_.warning(warning);
  }
  usable = false;
  if (stored.finding == StoredIdentity::Finding::kUsable) {
    Result<SharedAgentSvid> svid =
        AgentSvid::make(wanted_.svid, *stored.key, wanted_.reattestable, options_.trust_domain, clock_.wall_now());
    usable = svid.has_value();
    if (svid) {
      svid_ = std::move(*svid);
    } else {
      attestor_log_.warning("Could not get agent SVID from path", {{"error", svid.error()}});
    }
  }
  return std::move(stored.key);
}

runtime::Task<AttestationResult<void>> NodeIdentity::Impl::load_stored(ManagedKey key, ServerTrust trust,
                                                                       runtime::Logger log, runtime::StopToken stop) {
  STEEPLE_ASSERT(svid_ && svid_->key().id == key.id);
  if (trust) {
    remember_authorities(*trust);
  } else {
    // An insecure bootstrap that was cut off between attestation and GetBundle: its SVID is good, only the bundle is
    // missing.
    std::unique_ptr<RpcChannel> channel = channels_(trust);
    AttestationResult<void> fetched = co_await fetch_bundle(*channel, trust, stop);
    co_await channel->close(runtime::StopReason::kReplaced);
    if (!fetched) co_return std::move(fetched.error());
  }
  log.info("SVID loaded", {{"spiffe_id", svid_->id().text()}});
  co_return AttestationResult<void>();
}

runtime::Task<AttestationResult<void>> NodeIdentity::Impl::attest_first(std::optional<ManagedKey> current,
                                                                        ServerTrust trust, runtime::Logger log,
                                                                        runtime::StopToken stop) {
  AttestationTools means = tools();
  const runtime::SteadyTime began = clock_.now();
  const auto tell_attested = [&](std::string_view status, std::chrono::nanoseconds elapsed) {
    if (options_.events.attested) options_.events.attested(attestor_.name(), status, elapsed);
  };
  std::unique_ptr<RpcChannel> channel = channels_(trust);
  AttestationResult<SharedAgentSvid> svid =
      co_await attest_node(means, *channel, std::move(current), runtime::Deadline::in(kAttestationTimeout), stop);
  AttestationResult<void> bundle;
  if (svid) {
    // On disk before anything else can fail: a join token is spent by now.
    if (trust) wanted_.bundle = *trust;
    adopt(*svid);
    bundle = co_await fetch_bundle(*channel, trust, stop);
  }
  co_await channel->close(runtime::StopReason::kReplaced);
  if (svid) {
    tell(tell_attested, began, bundle);
  } else {
    tell(tell_attested, began, svid);
  }
  if (!svid) co_return std::move(svid.error());
  if (!bundle) co_return std::move(bundle.error());
  log.info("Node attestation was successful",
           {{"reattestable", svid_->reattestable()}, {"spiffe_id", svid_->id().text()}});
  co_return AttestationResult<void>();
}

runtime::Task<AttestationResult<void>> NodeIdentity::Impl::fetch_bundle(RpcChannel& channel, const ServerTrust& trust,
                                                                        runtime::StopToken stop) {
  for (int attempt = 1;; ++attempt) {
    ServerResult<Bundle> bundle =
        co_await get_bundle_after_attestation(channel, runtime::Deadline::in(kServerCallTimeout), stop);
    if (bundle && !bundle->x509_authorities().empty()) {
      set_bundle(std::make_shared<const Bundle>(std::move(*bundle)));
      co_return AttestationResult<void>();
    }
    ServerError error = bundle ? ServerError(Error(ErrorCode::kMalformed, "failed to get updated bundle: it is empty"))
                               : std::move(bundle.error());
    if (stop.stop_requested()) co_return AttestationError(std::move(error));
    if (attempt < kBundleAttempts) {
      Result<void> paused = co_await pause(kBundleAttemptSpacing, stop);
      if (paused) continue;
    }
    // The SVID is kept in any case. What we connected with serves until the first sync; an insecure start has nothing.
    if (!trust) co_return AttestationError(std::move(error));
    attestor_log_.warning("Could not get the updated bundle; going on with the one used to connect",
                          {{"error", error}});
    remember_authorities(*trust);
    co_return AttestationResult<void>();
  }
}

void NodeIdentity::Impl::note_untrusted_at_start() {
  UntrustedVerdict verdict = untrusted_at_attestation(progress_, mode_, options_.rebootstrap_delay, clock_.wall_now());
  switch (verdict.action) {
    case UntrustedAction::kBackOff:
      break;
    case UntrustedAction::kBootstrapAgain:
      log_.info("Trust Bundle and Server don't agree, bootstrapping again");
      break;
    case UntrustedAction::kIgnoreForNow:
      log_.info("Trust Bundle and Server don't agree, ignoring for now", {{"time_left", verdict.time_left}});
      break;
    case UntrustedAction::kRebootstrap:
      log_.warning("Trust Bundle and Server don't agree, rebootstrapping");
      wanted_.bundle.clear();
      break;
  }
  save();
}

}  // namespace steeple::agent
