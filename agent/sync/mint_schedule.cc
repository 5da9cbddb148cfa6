#include "agent/sync/mint_schedule.h"

#include <algorithm>

namespace steeple::agent {

MintSchedule::MintSchedule(runtime::RandomUnit random, runtime::SteadyTime now)
    : random_(random), backoff_({kMintRetryInitial, kMintRetryMax}, random, now), not_before_(now) {}

void MintSchedule::call_succeeded(runtime::SteadyTime now) {
  batch_max_ = std::min(batch_max_ * 2, kSvidBatchMax);
  backoff_.reset(now);
}

void MintSchedule::call_failed(bool unreachable, runtime::SteadyTime now) {
  batch_max_ = std::max<std::size_t>(batch_max_ / 2, 1);
  std::chrono::nanoseconds wait = backoff_.next(now).value_or(kMintRetryMax);
  if (unreachable && wait > kMintRetryUnreachableMax) {
    wait = runtime::jittered(kMintRetryUnreachableMax / 2, 1.0, random_);
  }
  not_before_ = now + wait;
}

void MintSchedule::server_is_back(runtime::SteadyTime now) {
  backoff_.reset(now);
  not_before_ = std::min(not_before_, now);
}

runtime::SteadyTime MintSchedule::entry_refused(const std::string& entry_id, runtime::SteadyTime now) {
  if (refused_.size() >= kEntryRetriesMax) refused_.clear();
  auto backoff =
      refused_.try_emplace(entry_id, runtime::Backoff({kMintRetryInitial, kEntryRetryMax}, random_, now)).first;
  return now + backoff->second.next(now).value_or(kEntryRetryMax);
}

}  // namespace steeple::agent
