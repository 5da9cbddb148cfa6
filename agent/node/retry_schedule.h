// When to try again: the start-up loop and the rotation of the agent SVID. Sans I/O (server-sync 0.1, 1.4, 2.4).
// Where the SPIRE agent gives up after a minute, Steeple goes on for as long as the cause may be remote: only a node
// attestor that has nothing to show (a missing token, unreadable key files) ends the process, after the SPIRE agent's
// limit.
#pragma once

#include <chrono>
#include <optional>

#include "runtime/core/backoff.h"

namespace steeple::agent {

inline constexpr std::chrono::seconds kRetryInitial{5};
inline constexpr std::chrono::seconds kRetryMax{120};
inline constexpr std::chrono::minutes kLocalFailureMax{1};
inline constexpr std::chrono::hours kLocalFailureMaxRebootstrap{24};
inline constexpr std::chrono::seconds kRotationCheckInterval{5};

// While the server cannot be reached, waits stay in this range, so that it is used within seconds of its return.
inline constexpr std::chrono::milliseconds kUnreachableRetryMin{2500};
inline constexpr std::chrono::milliseconds kUnreachableRetryMax{5500};

enum class RetryCause {
  kUnreachable,  // nobody answered
  kRemote,       // the server, or the way to it, refused us
  kLocal,        // the node attestor has nothing to show
};

class RetrySchedule {
 public:
  RetrySchedule(std::chrono::nanoseconds local_failure_max, runtime::RandomUnit random, runtime::SteadyTime now);
  // The next wait; nothing: give up.
  std::optional<std::chrono::nanoseconds> next(RetryCause cause, runtime::SteadyTime now);
  void reset(runtime::SteadyTime now);

 private:
  std::chrono::nanoseconds local_failure_max_;
  runtime::RandomUnit random_;
  runtime::Backoff backoff_;
  std::optional<runtime::SteadyTime> local_since_;
};

}  // namespace steeple::agent
