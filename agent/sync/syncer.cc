#include "agent/sync/syncer.h"

#include <algorithm>

#include "agent/sync/bundle_fetch.h"
#include "agent/sync/minter.h"
#include "agent/sync/taint_watch.h"
#include "runtime/task/task_group.h"

namespace steeple::agent {
namespace {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

constexpr std::chrono::seconds kEarlyWaitMax{5};

runtime::RandomUnit random_or_system(runtime::RandomUnit random) {
  return random ? std::move(random) : runtime::system_random_unit();
}

SyncerOptions with_random(SyncerOptions options) {
  options.random = random_or_system(std::move(options.random));
  return options;
}

MinterOptions minter_options(const SyncerOptions& options, const SyncerEvents& events) {
  MinterOptions minter;
  minter.key_type = options.workload_key_type;
  minter.availability_target = options.availability_target;
  minter.random = options.random;
  minter.called = events.svids_fetched;
  minter.expiring = events.svids_expiring;
  return minter;
}

}  // namespace

class Syncer::Impl {
 public:
  Impl(runtime::Loop& loop, const runtime::Clock& clock, runtime::WorkerPool& workers, ServerClient& server,
       SyncerOptions options, SyncerEvents events, const runtime::Logger& log)
      : loop_(loop),
        clock_(clock),
        server_(server),
        options_(with_random(std::move(options))),
        events_(std::move(events)),
        root_log_(log),
        log_(log.with_subsystem("manager")),
        cache_(loop, clock, options_.x509_svid_cache_max_size, log.with_subsystem("cache_manager")),
        machine_(options_.sync_interval, options_.random, clock.now()),
        minter_(loop, clock, workers, server, cache_, minter_options(options_, events_), log_),
        taint_(loop, clock, workers, cache_, log_, log.with_subsystem("cache_manager")),
        wake_(loop),
        first_sync_(loop),
        pass_done_(loop) {
    taint_.on_processed(events_.x509_svids_tainted);
  }

  Task<SyncEnd> run(StopToken stop);
  Task<Result<void>> wait_synced(Deadline deadline, StopToken stop);
  Task<Result<std::unique_ptr<Subscription>>> subscribe(attestation::Selectors selectors, Deadline deadline,
                                                        StopToken stop);
  Task<Result<void>> wait_for_match(attestation::Selectors selectors, Deadline deadline, StopToken stop);
  bool synced() const { return last_sync_.has_value(); }
  X509Cache& cache() { return cache_; }
  std::optional<runtime::WallTime> last_sync() const { return last_sync_; }

 private:
  Task<SyncEnd> run_passes(StopToken stop);
  Task<ServerResult<void>> pass(StopToken stop);
  Task<void> post_status(Deadline deadline, StopToken stop);
  Task<void> early_pass(Deadline deadline, StopToken stop);
  void apply(const BundleSet& bundles);
  void finish_pass(const ServerResult<void>& result);
  std::optional<SyncEnd> end_after(const ServerError& error);
  void log_failure(const ServerError& error);

  runtime::Loop& loop_;
  const runtime::Clock& clock_;
  ServerClient& server_;
  SyncerOptions options_;
  SyncerEvents events_;
  runtime::Logger root_log_;
  runtime::Logger log_;
  X509Cache cache_;
  SyncMachine machine_;
  Minter minter_;
  TaintWatch taint_;
  EntrySet entries_;
  EntryDiff pending_;  // in entries_, and not yet in the cache because the pass failed later
  runtime::Signal wake_;
  runtime::Signal first_sync_;
  runtime::Signal pass_done_;
  std::uint64_t passes_started_ = 0;
  std::uint64_t passes_done_ = 0;
  std::size_t early_waiters_ = 0;
  bool status_posted_ = false;
  std::optional<runtime::WallTime> last_sync_;
};

Task<SyncEnd> Syncer::Impl::run(StopToken stop) {
  runtime::TaskGroup group(loop_, stop);
  group.spawn(minter_.run_awaited(group.token()));
  group.spawn(minter_.run_others(group.token()));
  group.spawn(taint_.run(group.token()));
  SyncEnd end = co_await run_passes(stop);
  group.close(runtime::StopReason::kShutdown);
  co_await group.join();
  co_return end;
}

Task<SyncEnd> Syncer::Impl::run_passes(StopToken stop) {
  for (;;) {
    while (!stop.stop_requested() && clock_.now() < machine_.next_start()) {
      static_cast<void>(co_await wake_.wait(Deadline(machine_.next_start()), stop));
    }
    if (stop.stop_requested()) co_return SyncEnd(SyncOutcome::kStopped, stop.error());
    machine_.started(clock_.now());
    ++passes_started_;
    const runtime::SteadyTime began = clock_.now();
    ServerResult<void> result = co_await pass(stop);
    if (!result && stop.stop_requested()) co_return SyncEnd(SyncOutcome::kStopped, stop.error());
    if (events_.entries_fetched) {
      events_.entries_fetched(result ? "OK" : result.error().code_name(), clock_.now() - began);
    }
    finish_pass(result);
    if (result) continue;
    log_failure(result.error());
    if (std::optional<SyncEnd> end = end_after(result.error())) co_return std::move(*end);
  }
}

Task<void> Syncer::Impl::post_status(Deadline deadline, StopToken stop) {
  ServerResult<void> posted = co_await server_.post_status(options_.agent_version, deadline, stop);
  status_posted_ = posted || posted.error().error_class() != ServerErrorClass::kUnreachable;
  if (posted || stop.stop_requested()) co_return;
  log_.error("Failed to post agent status", {{"agent_version", options_.agent_version}, {"error", posted.error()}});
}

Task<ServerResult<void>> Syncer::Impl::pass(StopToken stop) {
  const Deadline deadline = Deadline::after(clock_.now(), kServerCallTimeout);
  if (!synced() && !status_posted_) co_await post_status(deadline, stop);
  STEEPLE_CO_TRY(diff, co_await server_.sync_entries(entries_, deadline, stop));
  EntrySyncStats stats{0, entries_.size(), diff.created.size(), diff.updated.size(), diff.removed.size()};
  pending_ = combine(std::move(pending_), std::move(diff));
  STEEPLE_CO_TRY(bundles, co_await fetch_bundles(loop_, server_, options_.trust_domain,
                                                 entries_.federated_trust_domains(), cache_.bundles(), deadline, stop));
  stats.bundles = 1 + bundles.federated().size();
  if (events_.entries_synced) events_.entries_synced(stats);
  apply(bundles);
  co_return ServerResult<void>();
}

void Syncer::Impl::apply(const BundleSet& bundles) {
  TaintWatch::NewlyTainted tainted = taint_.look_at(*bundles.own());
  const BundleChanges changes = cache_.update(bundles, workload_part(std::exchange(pending_, {})));
  if (changes.own_changed && events_.own_bundle_changed) events_.own_bundle_changed(cache_.bundles().own());
  if (!changes.empty() && events_.bundles_changed) events_.bundles_changed(cache_.bundles());
  if (!tainted.x509_authorities.empty() && events_.authorities_tainted) {
    events_.authorities_tainted(tainted.x509_authorities);
  }
  if (!tainted.jwt_key_ids.empty() && events_.jwt_authorities_tainted) {
    events_.jwt_authorities_tainted(tainted.jwt_key_ids);
  }
}

void Syncer::Impl::finish_pass(const ServerResult<void>& result) {
  passes_done_ = passes_started_;
  const runtime::SteadyTime now = clock_.now();
  if (result) {
    machine_.finished(cache_.counts().svids == 0 ? PassResult::kOkWithoutSvids : PassResult::kOk, now);
    const bool first = !synced();
    last_sync_ = clock_.wall_now();
    minter_.server_is_back();
    if (first) first_sync_.notify();
    if (events_.pass_succeeded) events_.pass_succeeded();
  } else {
    const ServerErrorClass error_class = result.error().error_class();
    const bool soon = error_class == ServerErrorClass::kUnreachable ||
                      error_class == ServerErrorClass::kUnknownAuthority || error_class == ServerErrorClass::kReattest;
    machine_.finished(soon ? PassResult::kUnreachable : PassResult::kFailed, now);
  }
  pass_done_.notify();
}

// What ends run() is logged there while running; at the start, and for an unknown authority, the owner's words fit
// better.
void Syncer::Impl::log_failure(const ServerError& error) {
  const bool ends_run = end_after(error).has_value();
  if (error.error_class() == ServerErrorClass::kUnknownAuthority) return;
  if (synced()) {
    log_.error("Synchronize failed", {{"error", error}});
  } else if (!ends_run) {
    const std::chrono::nanoseconds wait = machine_.next_start() - clock_.now();
    root_log_.warning("Failed to initialize manager", {{"error", error}, {"retry_interval", wait}});
  }
}

std::optional<SyncEnd> Syncer::Impl::end_after(const ServerError& error) {
  switch (error.error_class()) {
    case ServerErrorClass::kReattest:
      return SyncEnd(SyncOutcome::kNeedsReattestation, error);
    case ServerErrorClass::kBanned:
      return SyncEnd(SyncOutcome::kBanned, error);
    case ServerErrorClass::kUnknownAuthority:
      return SyncEnd(SyncOutcome::kUnknownAuthority, error);
    default:
      return std::nullopt;
  }
}

Task<Result<void>> Syncer::Impl::wait_synced(Deadline deadline, StopToken stop) {
  const Deadline patience = Deadline::after(clock_.now(), kFirstSyncWaitMax);
  while (!synced()) {
    Result<void> waited = co_await first_sync_.wait(deadline.sooner(patience), stop);
    if (waited || synced()) continue;
    if (waited.error().code() == ErrorCode::kDeadline && !deadline.passed(clock_.now())) {
      co_return Error(ErrorCode::kUnavailable, "the agent has not yet synchronized with the server");
    }
    co_return std::move(waited.error());
  }
  co_return Result<void>();
}

// Ends with the pass that is under way or begins soon; at once when the limit allows none.
Task<void> Syncer::Impl::early_pass(Deadline deadline, StopToken stop) {
  const runtime::SteadyTime planned = machine_.next_start();
  const std::uint64_t wanted = passes_started_ + (passes_done_ == passes_started_ ? 1 : 0);
  const bool soon = machine_.request_early(clock_.now());
  if (machine_.next_start() != planned) wake_.notify();
  if (!soon || early_waiters_ >= kEarlyWaitersMax) co_return;
  const Deadline until = deadline.sooner(Deadline::after(clock_.now(), kEarlyWaitMax));
  ++early_waiters_;
  while (passes_done_ < wanted && !machine_.failing()) {
    if (!co_await pass_done_.wait(until, stop)) break;
  }
  --early_waiters_;
}

Task<Result<void>> Syncer::Impl::wait_for_match(attestation::Selectors selectors, Deadline deadline, StopToken stop) {
  STEEPLE_CO_CHECK(co_await wait_synced(deadline, stop));
  if (!selectors.empty() && !cache_.any_match(selectors)) {
    co_await early_pass(deadline, stop);
    if (stop.stop_requested()) co_return stop.error();
  }
  co_return Result<void>();
}

Task<Result<std::unique_ptr<Subscription>>> Syncer::Impl::subscribe(attestation::Selectors selectors, Deadline deadline,
                                                                    StopToken stop) {
  const bool served = synced() && cache_.any_match(selectors);
  if (!served) {
    STEEPLE_CO_CHECK(co_await wait_for_match(selectors, deadline, stop));
  }
  co_return cache_.subscribe(std::move(selectors));
}

Syncer::Syncer(runtime::Loop& loop, const runtime::Clock& clock, runtime::WorkerPool& workers, ServerClient& server,
               SyncerOptions options, SyncerEvents events, runtime::Logger log)
    : impl_(std::make_unique<Impl>(loop, clock, workers, server, std::move(options), std::move(events), log)) {}
Syncer::~Syncer() = default;
Task<SyncEnd> Syncer::run(StopToken stop) { return impl_->run(stop); }
bool Syncer::synced() const { return impl_->synced(); }
Task<Result<void>> Syncer::wait_synced(Deadline deadline, StopToken stop) { return impl_->wait_synced(deadline, stop); }
Task<Result<std::unique_ptr<Subscription>>> Syncer::subscribe(attestation::Selectors selectors, Deadline deadline,
                                                              StopToken stop) {
  return impl_->subscribe(std::move(selectors), deadline, stop);
}
Task<Result<std::vector<SharedEntry>>> Syncer::matching_entries(attestation::Selectors selectors, Deadline deadline,
                                                                StopToken stop) {
  if (impl_->synced()) {
    std::vector<SharedEntry> found = impl_->cache().matching_entries(selectors);
    if (!found.empty()) co_return found;
  }
  STEEPLE_CO_CHECK(co_await impl_->wait_for_match(selectors, deadline, stop));
  co_return impl_->cache().matching_entries(selectors);
}
Task<Result<std::vector<SharedBundle>>> Syncer::bundles_of(attestation::Selectors selectors, Deadline deadline,
                                                           StopToken stop) {
  STEEPLE_CO_CHECK(co_await impl_->wait_synced(deadline, stop));
  co_return impl_->cache().bundles_of(selectors);
}
X509Cache& Syncer::cache() { return impl_->cache(); }
std::optional<runtime::WallTime> Syncer::last_sync() const { return impl_->last_sync(); }

}  // namespace steeple::agent
