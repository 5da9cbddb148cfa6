// What to do when the server no longer accepts this agent, or we no longer the server (server-sync 1.7, 2.5, 2.6).
#include "agent/node/node_identity_impl.h"

namespace steeple::agent {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

runtime::Task<Result<void>> NodeIdentity::Impl::recover(ServerError failure, SyncPhase phase, ServerClient& server,
                                                        runtime::StopToken stop) {
  constexpr std::string_view kBanned = "Agent is banned: removing SVID and shutting down";
  switch (failure.error_class()) {
    case ServerErrorClass::kBanned:
      manager_log_.log(phase == SyncPhase::kFirstSync ? runtime::LogLevel::kError : runtime::LogLevel::kWarning,
                       kBanned, {{"error", failure}});
      drop_svid();
      co_return Error(failure);
    case ServerErrorClass::kReattest:
      co_return co_await recover_by_reattestation(std::move(failure), phase, server, stop);
    case ServerErrorClass::kUnknownAuthority:
      co_return co_await wait_for_trust(phase, stop);
    default:
      co_return Result<void>();
  }
}

runtime::Task<Result<void>> NodeIdentity::Impl::recover_by_reattestation(ServerError failure, SyncPhase phase,
                                                                         ServerClient& server,
                                                                         runtime::StopToken stop) {
  bool can = (svid_ && svid_->reattestable()) || must_reattest(failure);
  if (!can && phase == SyncPhase::kFirstSync) {
    manager_log_.error("Agent needs to re-attest: removing SVID and shutting down", {{"error", failure}});
    drop_svid();
    co_return Error(failure);
  }
  manager_log_.warning("Agent needs to re-attest; will attempt to re-attest", {{"error", failure}});
  AttestationResult<void> done;
  if (can) {
    done = co_await reattest_until_done(server, stop);
  } else {
    Error cannot(ErrorCode::kFailedPrecondition, "attestation method is not re-attestable");
    done = AttestationError(ServerError(std::move(cannot)));
  }
  if (done) co_return Result<void>();
  if (stop.stop_requested()) co_return stop.error();
  manager_log_.error("Agent failed re-attestation; removing SVID and shutting down", {{"error", done.error()}});
  drop_svid();
  co_return Error(failure);
}

// Ends with an error only when the server denies us, or when stopped: everything else may pass.
runtime::Task<AttestationResult<void>> NodeIdentity::Impl::reattest_until_done(ServerClient& server,
                                                                               runtime::StopToken stop) {
  RetrySchedule schedule(kLocalFailureMax, options_.random, clock_.now());
  for (;;) {
    ServerResult<void> done;
    const runtime::SteadyTime began = clock_.now();
    {
      Result<RotationLock::Holder> alone =
          co_await server.rotation_lock().take_alone(runtime::Deadline::in(kRotationLockTimeout), stop);
      if (alone) {
        done = co_await reattest(server, stop);
      } else {
        done = ServerError(std::move(alone.error()));
      }
    }
    tell(options_.events.reattested, began, done);
    if (done) co_return AttestationResult<void>();
    AttestationError error(std::move(done.error()));
    if (stop.stop_requested() || error.denied()) co_return error;
    std::chrono::nanoseconds wait = schedule.next(error.cause(), clock_.now()).value_or(kRetryMax);
    manager_log_.error("Could not reattest agent", {{"error", error}, {"retry_interval", wait}});
    Result<void> paused = co_await pause(wait, stop);
    if (!paused) co_return AttestationError(ServerError(std::move(paused.error())));
  }
}

// The server's authority is none of ours. In mode never the SPIRE agent ends here; we keep what there is and look
// again, since the server may come back as it was. With rebootstrap the clock decides.
runtime::Task<Result<void>> NodeIdentity::Impl::wait_for_trust(SyncPhase phase, runtime::StopToken stop) {
  UntrustedVerdict verdict = untrusted_at_sync(progress_, mode_, options_.rebootstrap_delay, clock_.wall_now());
  save();
  if (verdict.action == UntrustedAction::kRebootstrap) co_return force_rebootstrap(phase);
  if (verdict.action == UntrustedAction::kIgnoreForNow) {
    runtime::Logger log = phase == SyncPhase::kFirstSync ? log_ : manager_log_;
    log.info("Trust Bundle and Server don't agree, ignoring for now", {{"time_left", verdict.time_left}});
    untrusted_schedule_.reset(clock_.now());  // steady short waits, as with the SPIRE agent
  }
  auto wait = untrusted_schedule_.next(RetryCause::kRemote, clock_.now()).value_or(kRetryInitial);
  co_return co_await pause(wait, stop);
}

Error NodeIdentity::Impl::force_rebootstrap(SyncPhase phase) {
  bool first = phase == SyncPhase::kFirstSync;
  constexpr std::string_view kText = "Trust Bundle and Server don't agree, rebootstrapping";
  if (first) {
    log_.info(kText);
  } else {
    manager_log_.warning(kText);
  }
  progress_.force_rebootstrap(clock_.wall_now());
  wanted_.bundle.clear();
  drop_svid();
  return Error(ErrorCode::kUntrusted,
               first ? "Agent needs to rebootstrap. shutting down" : "shutting down for rebootstrapping");
}

}  // namespace steeple::agent
