#include "agent/app/life.h"

namespace steeple::agent {

using runtime::Result;
using runtime::StopReason;
using runtime::StopToken;
using runtime::Task;
using runtime::TaskGroup;

namespace {

ServerErrorClass class_of(SyncOutcome outcome) {
  switch (outcome) {
    case SyncOutcome::kStopped:
      return ServerErrorClass::kCancelled;
    case SyncOutcome::kNeedsReattestation:
      return ServerErrorClass::kReattest;
    case SyncOutcome::kBanned:
      return ServerErrorClass::kBanned;
    case SyncOutcome::kUnknownAuthority:
      return ServerErrorClass::kUnknownAuthority;
  }
  return ServerErrorClass::kOther;
}

}  // namespace

Life::Life(runtime::Loop& loop, NodeIdentity& identity, ServerClient& server, Syncer& syncer, bool keys_survive_restart,
           std::function<void()> on_ready, runtime::Logger log)
    : loop_(loop),
      identity_(identity),
      server_(server),
      syncer_(syncer),
      keys_survive_restart_(keys_survive_restart),
      on_ready_(std::move(on_ready)),
      log_(std::move(log)) {}

Task<Result<void>> Life::run(StopToken stop) {
  STEEPLE_CO_CHECK(co_await identity_.establish(stop));
  warn_of_memory_keys();
  while (!stop.stop_requested()) {
    const SyncPhase phase = syncer_.synced() ? SyncPhase::kRunning : SyncPhase::kFirstSync;
    failure_.reset();
    TaskGroup both(loop_, stop);
    both.spawn(synchronise(both));
    both.spawn(rotate(both));
    both.spawn(tell_when_ready(both));
    co_await both.join();
    if (stop.stop_requested() || !failure_) break;
    STEEPLE_CO_CHECK(
        co_await identity_.recover(*failure_, syncer_.synced() ? SyncPhase::kRunning : phase, server_, stop));
    server_.drop_channel();
  }
  co_return Result<void>();
}

Task<void> Life::synchronise(TaskGroup& both) {
  SyncEnd end = co_await syncer_.run(both.token());
  if (end.outcome == SyncOutcome::kStopped) co_return;
  if (!failure_) failure_.emplace(class_of(end.outcome), std::move(end.error));
  both.close(StopReason::kFailure);
}

Task<void> Life::rotate(TaskGroup& both) {
  ServerResult<void> ended = co_await identity_.rotate_until_stopped(server_, both.token());
  if (ended) co_return;
  if (!failure_) failure_.emplace(std::move(ended.error()));
  both.close(StopReason::kFailure);
}

Task<void> Life::tell_when_ready(TaskGroup& both) {
  while (on_ready_ && !both.token().stop_requested()) {
    if (co_await syncer_.wait_synced(runtime::Deadline::never(), both.token())) std::exchange(on_ready_, nullptr)();
  }
}

void Life::warn_of_memory_keys() const {
  if (keys_survive_restart_ || identity_.svid()->reattestable()) return;
  log_.warning(
      "Node attestation is not reattestable and the 'memory' key manager is in use; if the agent process is restarted, "
      "it "
      "will be unable to obtain a new SVID and will need to be manually evicted to be able to re-attest.");
}

}  // namespace steeple::agent
