// What the X.509 cache keeps of one entry, and of all subscribers with the same selectors. Inside agent/cache only.
// Records and groups point at each other; the cache links and unlinks them. I/O thread only.
#pragma once

#include <boost/intrusive/list.hpp>
#include <map>
#include <memory>
#include <vector>

#include "agent/cache/workload_update.h"
#include "agent/cache/x509_cache.h"
#include "runtime/task/signal.h"

namespace steeple::agent {

struct CacheRecord;

struct SubscriberGroup {
  SubscriberGroup(runtime::Loop& loop, attestation::Selectors group_selectors)
      : selectors(std::move(group_selectors)), changed(loop) {}
  attestation::Selectors selectors;
  std::vector<CacheRecord*> records;  // those that apply, by entry id
  std::size_t missing = 0;            // of them without an SVID
  std::size_t subscribers = 0;
  std::size_t awaiting = 0;   // subscribers that have not had their first update
  std::uint64_t version = 1;  // goes up with each notification
  bool notify_pending = false;
  // Linked: without subscribers; the records are kept, and do not know of it (SubscriberGroups).
  boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> resting_hook;
  std::shared_ptr<const WorkloadUpdate> snapshot;  // null: to be made from the records when somebody takes it
  runtime::Signal changed;
};

enum class MintReason { kNone, kMissing, kOutdated, kExpiring, kTainted };
enum class MintState { kIdle, kQueued, kRetrying, kOut };

using DueTimes = std::multimap<runtime::WallTime, CacheRecord*>;
using RetryTimes = std::multimap<runtime::SteadyTime, CacheRecord*>;

struct CacheRecord {
  explicit CacheRecord(SharedEntry record_entry) : entry(std::move(record_entry)) {}
  SharedEntry entry;
  SharedX509Svid svid;
  bool svid_expired = false;             // and warned of
  std::vector<SubscriberGroup*> groups;  // whose selectors include the entry's
  std::size_t awaiting_groups = 0;
  std::uint64_t last_access = 0;  // 0: never

  MintReason reason = MintReason::kNone;
  MintState state = MintState::kIdle;
  MintPriority queued_as = MintPriority::kPrefetch;
  RetryTimes::iterator retry;
  boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> queue_hook;

  bool has_due = false;
  DueTimes::iterator due;
  bool evictable = false;
  boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> prefetch_hook;
};

}  // namespace steeple::agent
