// When the kubelet is asked, and for how long its last answer counts. A container that the index lacks asks at once,
// unless the last request began less than kFirstRetry ago; while it stays missing, requests follow after kFirstRetry,
// then every kEagerRetry for kEagerTime (a kubelet lists a new container within a second or two), then doubling to the
// configured interval. A container that was missing a moment ago does not start this anew, and a kubelet that takes
// long to answer is left alone for as long again. Sans I/O: time comes in, the next start comes out. Source:
// attestation 1.6 and 1.7, with the events of design 5 for its timers.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "runtime/core/deadline.h"

namespace steeple::attestation {

inline constexpr std::chrono::milliseconds kFirstRetry{50};
inline constexpr std::chrono::milliseconds kEagerRetry{80};  // half of it is what a new pod waits on average
inline constexpr std::chrono::seconds kEagerTime{3};
inline constexpr std::chrono::minutes kStaleIndexAgeMax{5};  // an index answers for what it knows in an outage
inline constexpr std::chrono::seconds kMissRemembered{30};
inline constexpr std::size_t kMissesRememberedMax = 4096;

class FetchPolicy {
 public:
  struct Limits {
    std::chrono::nanoseconds interval;   // poll_retry_interval
    std::chrono::nanoseconds index_age;  // pod_index_max_age
  };
  explicit FetchPolicy(Limits limits) : limits_(limits) {}

  // The index answers without a request. Its age counts from the start of the request that brought it.
  bool fresh(runtime::SteadyTime now) const;
  // The index may answer because the kubelet does not.
  bool usable_in_outage(runtime::SteadyTime now) const;
  bool in_outage() const { return last_failed_; }

  // Somebody waits for the next answer, which may be that of the request under way: who does not find his container in
  // it misses it once more.
  void miss(const std::string& container_id, runtime::SteadyTime now);
  bool wanted() const { return wanted_; }
  runtime::SteadyTime next_start(runtime::SteadyTime now) const;
  void started(runtime::SteadyTime now);
  void finished(bool good, runtime::SteadyTime now);
  // How long until a caller that missed just now may see another answer; for its log line.
  std::chrono::nanoseconds delay() const { return delay_; }

 private:
  std::chrono::nanoseconds first_retry() const;
  std::chrono::nanoseconds longest_retry(runtime::SteadyTime now) const;
  Limits limits_;
  bool wanted_ = false;
  bool last_failed_ = false;
  bool anew_ = false;                  // the next request is the first for some container
  std::chrono::nanoseconds delay_{0};  // from the start of the last request to that of the next
  runtime::SteadyTime eager_until_{};
  std::optional<runtime::SteadyTime> started_;
  std::optional<runtime::SteadyTime> index_from_;
  std::unordered_map<std::string, runtime::SteadyTime> missed_;
};

// The attempts of one waiter, which `max_poll_attempts` bounds: answers, but no more than one in each
// poll_retry_interval, so that eager requests do not use up the time that upstream would wait.
class PollAttempts {
 public:
  PollAttempts(std::chrono::nanoseconds interval, runtime::SteadyTime now) : interval_(interval), began_(now) {}
  // An answer without the container has come: which attempt that was, from 1.
  std::int64_t count(runtime::SteadyTime now);

 private:
  std::chrono::nanoseconds interval_;
  runtime::SteadyTime began_;
  std::int64_t attempts_ = 0;
};

}  // namespace steeple::attestation
