// The entries whose SVIDs are to be signed: three queues by priority, and those that wait after a failure. A record's
// place follows its subscribers at once, so that taking the most urgent ones walks nothing. Inside agent/cache only.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "agent/cache/cache_record.h"

namespace steeple::agent {

class MintQueue {
 public:
  void on_wanted(std::function<void(MintPriority)> action) { wanted_action_ = std::move(action); }

  // Signs up a record, or sharpens the reason of one that is already there.
  void want(CacheRecord& record, MintReason reason);
  void drop(CacheRecord& record);          // wanted no more, whatever its state
  void reprioritise(CacheRecord& record);  // its subscribers changed
  std::vector<CacheRecord*> take(MintPriority least, std::size_t max, runtime::SteadyTime now);
  void failed(CacheRecord& record, runtime::SteadyTime retry_at);

  bool any(MintPriority least, runtime::SteadyTime now) const;
  std::size_t waiting() const { return queued_ + retrying_.size(); }
  std::size_t total() const { return waiting() + out_; }
  std::optional<runtime::SteadyTime> next_retry() const;

 private:
  using Queue = boost::intrusive::list<
      CacheRecord,
      boost::intrusive::member_hook<CacheRecord, decltype(CacheRecord::queue_hook), &CacheRecord::queue_hook>,
      boost::intrusive::constant_time_size<false>>;
  Queue& queue(MintPriority priority) { return queues_[static_cast<std::size_t>(priority)]; }
  void enqueue(CacheRecord& record);
  void leave(CacheRecord& record);
  void requeue_due(runtime::SteadyTime now);

  Queue queues_[3];
  std::size_t queued_ = 0;
  std::size_t out_ = 0;
  RetryTimes retrying_;
  std::function<void(MintPriority)> wanted_action_;
};

MintPriority priority_of(const CacheRecord& record);

}  // namespace steeple::agent
