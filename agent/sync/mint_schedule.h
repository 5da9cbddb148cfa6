// How much to sign at once, and when to try again (server-sync 3.6): the batch halves after a failed call and doubles
// after a good one; an entry the server refuses waits by itself, so that it holds up no other. Sans I/O.
#pragma once

#include <string>
#include <unordered_map>

#include "agent/server/server_client.h"
#include "runtime/core/backoff.h"

namespace steeple::agent {

inline constexpr std::chrono::milliseconds kMintRetryInitial{500};
inline constexpr std::chrono::minutes kMintRetryMax{4};
inline constexpr std::chrono::seconds kMintRetryUnreachableMax{6};
inline constexpr std::chrono::minutes kEntryRetryMax{1};
inline constexpr std::size_t kEntryRetriesMax = 10'000;  // remembered; beyond, all begin anew

class MintSchedule {
 public:
  MintSchedule(runtime::RandomUnit random, runtime::SteadyTime now);

  std::size_t batch_max() const { return batch_max_; }
  runtime::SteadyTime not_before() const { return not_before_; }  // no call before this time
  void call_succeeded(runtime::SteadyTime now);
  void call_failed(bool unreachable, runtime::SteadyTime now);
  void server_is_back(runtime::SteadyTime now);  // a sync pass has succeeded

  runtime::SteadyTime entry_refused(const std::string& entry_id, runtime::SteadyTime now);  // when to try it again
  void entry_signed(const std::string& entry_id) { refused_.erase(entry_id); }

 private:
  runtime::RandomUnit random_;
  runtime::Backoff backoff_;
  runtime::SteadyTime not_before_;
  std::size_t batch_max_ = kSvidBatchMax;
  std::unordered_map<std::string, runtime::Backoff> refused_;
};

}  // namespace steeple::agent
