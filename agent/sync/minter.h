// Signs what the cache wants: fresh keys and CSRs on the workers, one call per batch, each answer verified before it is
// stored (server-sync 3.6, design 5). Two lanes: what callers wait for goes out at once, batched with the misses of the
// same two milliseconds; all else never stands in its way. Also the clock of rotation. I/O thread only.
#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "agent/cache/x509_cache.h"
#include "agent/server/server_client.h"
#include "agent/spiffe/rotation_policy.h"
#include "agent/sync/mint_schedule.h"
#include "runtime/task/signal.h"
#include "runtime/task/worker_pool.h"

namespace steeple::agent {

inline constexpr std::chrono::milliseconds kAwaitedGatherTime{2};
inline constexpr std::chrono::milliseconds kOtherGatherTime{5};
inline constexpr std::chrono::seconds kRotationGatherTime{1};  // renewals that come due together share a call
inline constexpr std::chrono::milliseconds kRetryLookMin{50};
inline constexpr std::chrono::seconds kClockCheckMax{60};  // the wall clock may be set
inline constexpr std::size_t kEcKeysPerJob = 16;
// Doubled with each call: the first callers come just after the start, and a server that signs hundreds answers late.
inline constexpr std::size_t kOthersFirstMax = 16;
inline constexpr std::size_t kRsaBatchMax = 32;  // an RSA key takes up to a tenth of a second

struct MinterOptions {
  // For metrics: each call to the server, and how many SVIDs were found to be due.
  std::function<void(std::string_view status, std::chrono::nanoseconds elapsed)> called;
  std::function<void(std::size_t)> expiring;
  runtime::KeyType key_type = runtime::KeyType::kEcP256;
  std::chrono::nanoseconds availability_target{0};
  runtime::RandomUnit random;
};

class Minter {
 public:
  // `log`: of subsystem "manager".
  Minter(runtime::Loop& loop, const runtime::Clock& clock, runtime::WorkerPool& workers, ServerClient& server,
         X509Cache& cache, MinterOptions options, runtime::Logger log);
  ~Minter();
  Minter(const Minter&) = delete;
  Minter& operator=(const Minter&) = delete;

  runtime::Task<void> run_awaited(runtime::StopToken stop);
  runtime::Task<void> run_others(runtime::StopToken stop);
  void server_is_back();  // a sync pass has succeeded: what failed is tried again now

 private:
  class Prepared;
  runtime::Task<void> mint(std::vector<WantedSvid> wanted, std::size_t limit, runtime::StopToken stop);
  runtime::Task<runtime::Result<std::vector<Prepared>>> prepare(const std::vector<WantedSvid>& wanted,
                                                                runtime::StopToken stop);
  runtime::Task<void> accept(std::vector<Prepared> prepared, std::vector<MintedChain> chains);
  void store(const Prepared& asked, SharedX509Svid svid);
  void refuse(const Prepared& asked, const runtime::Error& error);
  void put_back(const std::vector<WantedSvid>& wanted);
  void log_request(const std::vector<WantedSvid>& wanted, std::size_t limit);
  void mark_due();
  bool may_call(MintPriority least) const;
  std::size_t batch_max() const;
  runtime::Deadline next_look() const;
  runtime::Deadline next_look_with_due() const;

  runtime::Loop& loop_;
  const runtime::Clock& clock_;
  runtime::WorkerPool& workers_;
  ServerClient& server_;
  X509Cache& cache_;
  MinterOptions options_;
  RotationPolicy policy_;
  MintSchedule schedule_;
  runtime::SteadyTime due_looked_at_;
  std::size_t others_max_ = kOthersFirstMax;
  runtime::Signal awaited_;
  runtime::Signal others_;
  runtime::Logger log_;
};

}  // namespace steeple::agent
