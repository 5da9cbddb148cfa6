#include "agent/cache/mint_queue.h"

namespace steeple::agent {

MintPriority priority_of(const CacheRecord& record) {
  if (record.awaiting_groups != 0 && !record.svid) return MintPriority::kAwaited;
  return record.groups.empty() ? MintPriority::kPrefetch : MintPriority::kActive;
}

void MintQueue::want(CacheRecord& record, MintReason reason) {
  if (record.reason != MintReason::kTainted) record.reason = reason;
  if (record.state == MintState::kIdle) enqueue(record);
}

void MintQueue::enqueue(CacheRecord& record) {
  record.state = MintState::kQueued;
  record.queued_as = priority_of(record);
  queue(record.queued_as).push_back(record);
  ++queued_;
  if (wanted_action_) wanted_action_(record.queued_as);
}

void MintQueue::leave(CacheRecord& record) {
  if (record.state == MintState::kQueued) {
    record.queue_hook.unlink();
    --queued_;
  } else if (record.state == MintState::kRetrying) {
    retrying_.erase(record.retry);
  } else if (record.state == MintState::kOut) {
    --out_;
  }
  record.state = MintState::kIdle;
}

void MintQueue::drop(CacheRecord& record) {
  leave(record);
  record.reason = MintReason::kNone;
}

void MintQueue::reprioritise(CacheRecord& record) {
  if (record.state != MintState::kQueued || record.queued_as == priority_of(record)) return;
  leave(record);
  enqueue(record);
}

void MintQueue::requeue_due(runtime::SteadyTime now) {
  while (!retrying_.empty() && retrying_.begin()->first <= now) {
    CacheRecord& record = *retrying_.begin()->second;
    leave(record);
    record.state = MintState::kQueued;
    record.queued_as = priority_of(record);
    queue(record.queued_as).push_back(record);
    ++queued_;
  }
}

std::vector<CacheRecord*> MintQueue::take(MintPriority least, std::size_t max, runtime::SteadyTime now) {
  requeue_due(now);
  std::vector<CacheRecord*> taken;
  for (std::size_t i = 0; i <= static_cast<std::size_t>(least); ++i) {
    while (!queues_[i].empty() && taken.size() < max) {
      CacheRecord& record = queues_[i].front();
      leave(record);
      record.state = MintState::kOut;
      ++out_;
      taken.push_back(&record);
    }
  }
  return taken;
}

void MintQueue::failed(CacheRecord& record, runtime::SteadyTime retry_at) {
  if (record.state != MintState::kOut) return;
  leave(record);
  record.state = MintState::kRetrying;
  record.retry = retrying_.emplace(retry_at, &record);
}

bool MintQueue::any(MintPriority least, runtime::SteadyTime now) const {
  for (std::size_t i = 0; i <= static_cast<std::size_t>(least); ++i) {
    if (!queues_[i].empty()) return true;
  }
  for (const auto& [retry_at, record] : retrying_) {
    if (retry_at > now) break;
    if (priority_of(*record) <= least) return true;
  }
  return false;
}

std::optional<runtime::SteadyTime> MintQueue::next_retry() const {
  if (retrying_.empty()) return std::nullopt;
  return retrying_.begin()->first;
}

}  // namespace steeple::agent
