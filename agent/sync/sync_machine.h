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
// Early passes: a workload that has just started, and whose entry may come any moment, is looked for often at first;
// one that stays without an entry costs the server a pass a second.
inline constexpr std::chrono::milliseconds kEarlySyncSpacing{200};
inline constexpr std::chrono::seconds kEarlySyncPeriod{1};  // of each in the long run
inline constexpr int kEarlySyncBurst = 30;
inline constexpr int kEarlySyncShare = 20;  // and the server is asked for a 20th of the time, however slow it is
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
  // A caller has no matching entry. True: a pass is under way or begins within kEarlySyncSpacing, and is worth waiting
  // for. False: the answer of the last pass stands; the next begins as soon as the limit allows, or, while the server
  // is failing, when it is due.
  bool request_early(runtime::SteadyTime now);
  void started(runtime::SteadyTime now);
  void finished(PassResult result, runtime::SteadyTime now);
  bool failing() const { return failures_ > 0; }

 private:
  std::chrono::nanoseconds unreachable_wait();
  std::chrono::nanoseconds good_wait(PassResult result, runtime::SteadyTime now);
  void pass_early(runtime::SteadyTime now);
  runtime::RandomUnit random_;
  runtime::Backoff backoff_;
  runtime::SteadyTime next_;
  runtime::SteadyTime started_at_;
  runtime::SteadyTime early_allowed_;
  runtime::SteadyTime early_paid_until_;  // each early pass adds a period; at most kEarlySyncBurst are ahead of time
  bool running_ = false;
  bool early_wanted_ = false;
  bool next_is_early_ = false;
  int failures_ = 0;
  runtime::SteadyTime outage_over_{};  // until then waits are short
};

}  // namespace steeple::agent
