// When the next sync pass starts (server-sync 3.6, 0.1, 0.2; design 5). Sans I/O: time, results and early requests come
// in, the next start comes out. While the server cannot be reached the waits stay short, with full jitter, so that the
// first new entry is served within 8 s of its return; other failures back off as the SPIRE agent does. A server that
// has just returned may need some seconds until it sees new entries itself, so the first waits after an outage are
// short, too.
#pragma once

#include <chrono>

#include "runtime/core/backoff.h"

namespace steeple::agent {

inline constexpr std::chrono::seconds kSyncIntervalDefault{5};
inline constexpr std::chrono::seconds kSyncBackoffMax{8 * 60};
inline constexpr std::chrono::milliseconds kUnreachableWaitMin{500};
inline constexpr std::chrono::milliseconds kUnreachableWaitMax{6500};
inline constexpr std::chrono::seconds kEarlySyncSpacing{1};
inline constexpr std::chrono::seconds kAfterOutage{6};
inline constexpr std::chrono::seconds kAfterOutageWait{2};

enum class PassResult {
  kOk,
  kOkWithoutSvids,  // and no SVID is cached: the next wait is at most 5 s
  kUnreachable,
  kFailed,
};

class SyncMachine {
 public:
  SyncMachine(std::chrono::nanoseconds interval, runtime::RandomUnit random, runtime::SteadyTime now);

  runtime::SteadyTime next_start() const;
  // A caller has no matching entry. False: not now (the server is failing; the answer of the last pass stands).
  bool request_early(runtime::SteadyTime now);
  void started(runtime::SteadyTime now);
  void finished(PassResult result, runtime::SteadyTime now);
  bool failing() const { return failures_ > 0; }

 private:
  std::chrono::nanoseconds unreachable_wait();
  std::chrono::nanoseconds good_wait(PassResult result, runtime::SteadyTime now);
  runtime::RandomUnit random_;
  runtime::Backoff backoff_;
  runtime::SteadyTime next_;
  runtime::SteadyTime early_allowed_;
  bool running_ = false;
  bool early_wanted_ = false;
  int failures_ = 0;
  runtime::SteadyTime outage_over_{};  // until then waits are short
};

}  // namespace steeple::agent
