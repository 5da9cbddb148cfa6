// Keeps the caches in step with the server and answers the endpoints from them (server-sync 3, architecture 3 and 5).
// One coroutine runs sync passes, one signs, one looks after rotation; all end before run() returns. Failures keep
// everything that was good. The owner acts on the outcome and may call run() again: the caches stay. I/O thread only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/cache/identity_source.h"
#include "agent/cache/x509_cache.h"
#include "agent/server/server_client.h"
#include "agent/sync/sync_machine.h"
#include "runtime/core/clock.h"
#include "runtime/core/log.h"
#include "runtime/task/worker_pool.h"

namespace steeple::agent {

inline constexpr std::chrono::seconds kFirstSyncWaitMax{30};
inline constexpr std::size_t kEarlyWaitersMax = 4096;

enum class SyncOutcome { kStopped, kNeedsReattestation, kBanned, kUnknownAuthority };

class SyncEnd {
 public:
  SyncEnd(SyncOutcome end_outcome, runtime::Error end_error) : outcome(end_outcome), error(std::move(end_error)) {}
  SyncOutcome outcome;
  runtime::Error error;  // the pass's, as it was logged
};

struct SyncerOptions {
  TrustDomain trust_domain;
  std::string agent_version;  // for PostStatus
  std::chrono::nanoseconds sync_interval = kSyncIntervalDefault;
  std::chrono::nanoseconds availability_target{0};
  runtime::KeyType workload_key_type = runtime::KeyType::kEcP256;
  std::size_t x509_svid_cache_max_size = 0;  // 0: the default
  runtime::RandomUnit random;                // empty: the system's
};

// What one pass found of the authorised entries, those for SVID stores included.
struct EntrySyncStats {
  std::size_t bundles = 0;
  std::size_t total = 0;
  std::size_t missing = 0;  // of the total, not known before
  std::size_t stale = 0;    // of the total, changed
  std::size_t dropped = 0;  // no longer authorised
};

struct SyncerEvents {
  // All optional. The own bundle after each change of it: what the verifier of the server reads, and what is stored.
  std::function<void(const SharedBundle&)> own_bundle_changed;
  std::function<void(const BundleSet&)> bundles_changed;  // any of those known
  // New tainted X.509 authorities of the own bundle: the agent SVID may be signed by one.
  std::function<void(const runtime::Certificates&)> authorities_tainted;
  std::function<void(const std::vector<std::string>& key_ids)> jwt_authorities_tainted;
  // For metrics; `status` is a gRPC code's name with static storage.
  std::function<void(std::string_view status, std::chrono::nanoseconds elapsed)> entries_fetched;
  std::function<void(std::string_view status, std::chrono::nanoseconds elapsed)> svids_fetched;
  std::function<void(const EntrySyncStats&)> entries_synced;  // entries and bundles are there, not yet in the cache
  std::function<void(std::size_t)> svids_expiring;
  std::function<void(std::size_t tainted, std::chrono::nanoseconds elapsed)> x509_svids_tainted;  // each batch
  std::function<void()> pass_succeeded;  // each one, the first included
};

class Syncer final : public IdentitySource {
 public:
  Syncer(runtime::Loop& loop, const runtime::Clock& clock, runtime::WorkerPool& workers, ServerClient& server,
         SyncerOptions options, SyncerEvents events, runtime::Logger log);
  ~Syncer() override;  // after run() has ended and the last subscription is gone

  // Until `stop`, or until the server's answer asks for more than trying again.
  runtime::Task<SyncEnd> run(runtime::StopToken stop);

  // Whether a pass has succeeded since the process started; the wait ends with kUnavailable after 30 s.
  bool synced() const;
  runtime::Task<runtime::Result<void>> wait_synced(runtime::Deadline deadline, runtime::StopToken stop);

  runtime::Task<runtime::Result<std::unique_ptr<Subscription>>> subscribe(attestation::Selectors selectors,
                                                                          runtime::Deadline deadline,
                                                                          runtime::StopToken stop) override;
  runtime::Task<runtime::Result<std::vector<SharedEntry>>> matching_entries(attestation::Selectors selectors,
                                                                            runtime::Deadline deadline,
                                                                            runtime::StopToken stop) override;
  runtime::Task<runtime::Result<std::vector<SharedBundle>>> bundles_of(attestation::Selectors selectors,
                                                                       runtime::Deadline deadline,
                                                                       runtime::StopToken stop) override;
  X509Cache& cache();
  std::optional<runtime::WallTime> last_sync() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace steeple::agent
