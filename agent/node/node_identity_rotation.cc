// Rotation of the agent SVID: when, how, and what a failure means (server-sync 2.4).
#include "agent/node/node_identity_impl.h"

namespace steeple::agent {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

bool NodeIdentity::Impl::rotation_due() const {
  return tainted_ || policy_.should_rotate_x509(clock_.wall_now(), svid_->not_before(), svid_->not_after());
}

std::string_view NodeIdentity::Impl::rotation_failure_text() const {
  return svid_->reattestable() ? "Could not reattest agent" : "Could not rotate agent SVID";
}

runtime::Task<ServerResult<void>> NodeIdentity::Impl::rotate_until_stopped(ServerClient& server,
                                                                           runtime::StopToken stop) {
  RetrySchedule schedule(kLocalFailureMax, options_.random, clock_.now());
  while (!stop.stop_requested() && svid_) {
    save();
    ServerResult<void> rotated;
    if (rotation_due()) rotated = co_await rotate_once(server, stop);
    if (stop.stop_requested()) break;
    std::chrono::nanoseconds wait = kRotationCheckInterval;
    if (rotated) {
      schedule.reset(clock_.now());
      wait = schedule.next(RetryCause::kRemote, clock_.now()).value_or(wait);
      schedule.reset(clock_.now());
    } else {
      const ServerError& error = rotated.error();
      manager_log_.error(rotation_failure_text(), {{"error", error}});
      bool ours =
          error.error_class() == ServerErrorClass::kReattest || error.error_class() == ServerErrorClass::kBanned;
      if (ours) co_return rotated.error();
      // An agent whose SVID is over cannot do anything else: it looks for the server as often as at the start.
      bool urgent = error.error_class() == ServerErrorClass::kUnreachable && svid_->expired(clock_.wall_now());
      RetryCause cause = urgent ? RetryCause::kUnreachable : RetryCause::kRemote;
      wait = schedule.next(cause, clock_.now()).value_or(wait);
    }
    Result<void> paused = co_await pause(wait, stop);
    if (!paused) break;
  }
  manager_log_.debug("Stopping SVID rotator");
  co_return ServerResult<void>();
}

runtime::Task<ServerResult<void>> NodeIdentity::Impl::rotate_once(ServerClient& server, runtime::StopToken stop) {
  SharedAgentSvid old = svid_;
  const runtime::SteadyTime began = clock_.now();
  STEEPLE_CO_TRY(alone, co_await server.rotation_lock().take_alone(runtime::Deadline::in(kRotationLockTimeout), stop));
  if (svid_ != old || !svid_) co_return ServerResult<void>();  // someone else did it while we waited
  const bool can_reattest = svid_->reattestable();
  ServerResult<void> rotated = can_reattest ? co_await reattest(server, stop) : co_await renew(server, stop);
  tell(can_reattest ? options_.events.reattested : options_.events.renewed, began, rotated);
  // The server knows better than our stored flag whether this node can attest again.
  if (rotated || can_reattest || !must_reattest(rotated.error())) co_return rotated;
  const runtime::SteadyTime again = clock_.now();
  rotated = co_await reattest(server, stop);
  tell(options_.events.reattested, again, rotated);
  co_return rotated;
}

runtime::Task<ServerResult<void>> NodeIdentity::Impl::renew(ServerClient& server, runtime::StopToken stop) {
  manager_log_.debug("Rotating agent SVID");
  STEEPLE_CO_TRY(request, make_key_request(keys_, svid_->key()));
  STEEPLE_CO_TRY(der, co_await server.renew_agent(request.csr, runtime::Deadline::in(kServerCallTimeout), stop));
  STEEPLE_CO_TRY(chain, runtime::with_context(runtime::parse_certificate_chain(der), "failed to renew agent"));
  STEEPLE_CO_TRY(svid, runtime::with_context(AgentSvid::make(std::move(chain), std::move(request.key), false,
                                                             options_.trust_domain, clock_.wall_now()),
                                             "failed to renew agent"));
  if (svid->id() != svid_->id()) {
    co_return ServerError(Error(ErrorCode::kMalformed, "failed to renew agent: the new SVID names another agent"));
  }
  manager_log_.info("Successfully rotated agent SVID", {{"spiffe_id", svid->id().text()}});
  adopt(std::move(svid));
  server.drop_channel();
  co_return ServerResult<void>();
}

// Over a connection of its own, without certificate. The caller holds the rotation lock: the server invalidates the old
// SVID the moment it issues the new one.
runtime::Task<ServerResult<void>> NodeIdentity::Impl::reattest(ServerClient& server, runtime::StopToken stop) {
  manager_log_.debug("Reattesting node");
  if (!bundle_) co_return ServerError(Error(ErrorCode::kFailedPrecondition, "bundle not found"));
  AttestationTools means = tools();
  std::unique_ptr<RpcChannel> channel = channels_(bundle_->certificates());
  std::optional<ManagedKey> current;
  if (svid_) current = svid_->key();
  AttestationResult<SharedAgentSvid> svid =
      co_await attest_node(means, *channel, std::move(current), runtime::Deadline::in(kAttestationTimeout), stop);
  co_await channel->close(runtime::StopReason::kReplaced);
  if (!svid) co_return ServerError(std::move(svid.error()));
  manager_log_.info("Successfully reattested node", {{"spiffe_id", (*svid)->id().text()}});
  adopt(std::move(*svid));
  server.drop_channel();
  co_return ServerResult<void>();
}

}  // namespace steeple::agent
