// JWT-SVIDs for the endpoints: from the cache while a valid one is there, else from the server (server-sync 3.7). Equal
// requests share one call; renewals run in the background and disturb nobody when they fail. Owns its tasks from
// start() to close(). I/O thread only.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/cache/jwt_cache.h"
#include "agent/cache/jwt_source.h"
#include "agent/server/server_client.h"
#include "runtime/core/backoff.h"
#include "runtime/core/clock.h"
#include "runtime/core/log.h"
#include "runtime/task/signal.h"
#include "runtime/task/task_group.h"

namespace steeple::agent {

inline constexpr std::size_t kJwtCallsMax = 4096;           // under way at once
inline constexpr std::size_t kJwtCallsOfEntryMax = 256;     // so that one workload leaves room for the others
inline constexpr std::size_t kJwtRenewalsMax = 16;          // of them in the background
inline constexpr std::chrono::seconds kJwtRetryWait{5};     // after a renewal that failed
inline constexpr std::chrono::seconds kJwtRefusedWait{60};  // after one that the server refused
inline constexpr std::chrono::seconds kJwtClockCheck{60};   // how long a change of the wall clock may go unnoticed

struct JwtFetcherOptions {
  std::size_t cache_max_size = 0;                                   // 0: the default
  std::chrono::nanoseconds cache_hit_timeout = kServerCallTimeout;  // of a call while a valid token is there
  runtime::RandomUnit random;                                       // empty: the system's
};

class JwtFetcher final : public JwtSource {
 public:
  JwtFetcher(runtime::Loop& loop, const runtime::Clock& clock, ServerClient& server, JwtFetcherOptions options,
             const runtime::Logger& log);
  ~JwtFetcher() override;  // after close(), if anything was started

  void start();  // renewals, from now on
  runtime::Task<void> close(runtime::StopReason reason);

  runtime::Task<runtime::Result<SharedJwtSvid>> fetch(SharedEntry entry, std::vector<std::string> audience,
                                                      runtime::Deadline deadline, runtime::StopToken stop) override;
  // Tokens of these authorities are given out no more. Gives how many there were.
  std::size_t drop_signed_by(const std::vector<std::string>& key_ids);
  std::size_t cached() const { return cache_.size(); }

 private:
  struct Call;
  using SharedCall = std::shared_ptr<Call>;
  runtime::Result<SharedCall> join_or_begin(const std::string& key, JwtRequest request);
  SharedCall begin(std::string call_key, JwtRequest request, std::chrono::nanoseconds timeout, bool asked);
  runtime::Task<void> ask_server(SharedCall call);
  void finish(Call& call, ServerResult<SharedJwtSvid> answer);
  void renewal_failed(const Call& call, const ServerError& error);
  runtime::Task<void> renew(runtime::StopToken stop);
  runtime::WallTime renewal_time(const JwtSvid& svid) const;

  runtime::Loop& loop_;
  const runtime::Clock& clock_;
  ServerClient& server_;
  JwtFetcherOptions options_;
  runtime::Logger log_;
  runtime::Logger cache_log_;
  JwtCache cache_;
  std::unordered_map<std::string, SharedCall> calls_;            // those that may be joined
  std::unordered_map<std::string, std::size_t> calls_of_entry_;  // by entry id
  std::size_t calls_under_way_ = 0;
  std::size_t renewals_under_way_ = 0;
  runtime::Signal renewals_changed_;
  runtime::TaskGroup tasks_;
};

}  // namespace steeple::agent
